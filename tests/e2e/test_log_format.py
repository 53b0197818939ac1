"""``--log-format json``: whatever goes wrong, each line on stderr is one JSON object, and stdout stays the product."""

import json

import pytest


def lines(done):
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert found
    for line in found:
        assert line.keys() >= {"time", "level", "logger", "message"}
    return found


def test_an_error_is_one_line(paper):
    done = paper.run("--log-format", "json", "plan", "-e", "nope")
    (line,) = lines(done)
    assert (done.returncode, line["level"], line["logger"]) == (64, "ERROR", "aml-gitops")
    assert "no environment 'nope'" in line["message"]


def test_findings_are_a_line_each_with_their_place(paper):
    paper.edit("base/endpoint.yml", "auth_mode: key", "auth_mode: nobody\nauth_mod: key")
    done = paper.run("plan", "-e", "local", AML_GITOPS_LOG_FORMAT="json")
    *found, last = lines(done)
    assert done.returncode == 4
    assert {line["rule"] for line in found} >= {"unknown-field"}
    assert all(line["position"].startswith("base/endpoint.yml:") and line["level"] == "ERROR" for line in found)
    assert last["message"] == f"{len(found)} errors"


@pytest.mark.parametrize("arguments", [("plan", "-e", "local"), ("apply", "-e", "local", "--yes")])
def test_every_line_of_the_debug_log_is_json(shop, arguments):
    done = shop.run("--log-format", "json", "--log-level", "debug", *arguments)
    assert done.returncode == 0
    assert any(line["level"] == "DEBUG" for line in lines(done))
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(done.stdout)


def test_text_is_as_before(paper):
    done = paper.run("plan", "-e", "nope")
    assert done.stderr.startswith("aml-gitops: no environment 'nope'")
