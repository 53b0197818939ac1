"""Wrong calls and broken manifests: one clear message, the right exit code, never a traceback, nothing written."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 64, "required: COMMAND"),
        (("plann", "-e", "local"), 64, "did you mean 'plan'?"),
        (("plan",), 64, "-e/--environment"),
        (("plan", "-e", "lokal"), 64, "did you mean local?"),
        (("plan", "-e", "local", "-o", "yaml"), 64, "choose from text, json, markdown"),
        (("plan", "-e", "local"), 1, "aml-gitops emulator start"),
        (("apply", "-e", "local", "nothing.plan"), 64, "No such file"),
        (("apply", "-e", "local", "base/sample.json"), 64, "is not a plan"),
        (("invoke", "-e", "local", "--request", "base/sample.json"), 64, "needs the ENDPOINT"),
        (("validate", "missing.yml"), 64, "no such file"),
        (("validate", "--network", "legacy_egress"), 64, "loose files"),
        (("schema", "deploymnt"), 64, "no schema"),
        (("emulator", "begin"), 64, "choose from start, stop, status, reset"),
    ],
)
def test_a_wrong_call_is_told_what_was_meant(paper, arguments, code, said):
    done = paper.run(*arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_a_project_it_says_what_is_missing(tmp_path, paper):
    paper.root = tmp_path / "elsewhere"
    paper.root.mkdir()
    done = paper.run("plan", "-e", "local")
    assert done.returncode == 4
    assert "gitops.yaml" in done.stderr


def test_validate_tells_everything_at_once_and_json_is_the_contract(paper):
    paper.edit("base/endpoint.yml", "public_network_access: disabled", "auth_mod: key")
    paper.edit("base/deployment.yml", "azureml:numbers", "azureml:nombers@latest")
    done = paper.run("validate", "-o", "json")
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert (document["version"], document["valid"]) == (1, False)
    rules = {finding["rule"] for finding in document["findings"]}
    assert rules >= {"private-inbound", "unknown-field", "mutable-reference"}
    keys = {"rule", "severity", "resource", "file", "line", "column", "path", "found", "required", "message", "hint"}
    assert all(set(finding) == keys for finding in document["findings"])
    text = paper.run("validate").stdout
    assert "base/endpoint.yml:5:1: error[unknown-field]" in text
    assert "did you mean" in text


def test_broken_manifests_stop_a_plan_before_azure_is_asked(paper):
    paper.write("base/endpoint.yml", "kind: endpoint\nname: [\n")
    done = paper.run("plan", "-e", "local")
    assert done.returncode == 4
    assert "base/endpoint.yml:" in done.stderr
    assert "error[yaml]" in done.stderr


def test_loose_files_are_checked_without_a_project(paper):
    loose = ("validate", "base/endpoint.yml", "--network", "legacy_egress")
    assert paper.run(*loose).returncode == 0
    paper.edit("base/endpoint.yml", "disabled", "enabled")
    done = paper.run(*loose)
    assert done.returncode == 4
    assert "private-inbound" in done.stdout


def test_render_prints_yaml_that_validates_again(paper):
    text = paper.ok("render", "-e", "local")
    assert "name: adder" in text
    assert text.startswith("---\n")


def test_colours_follow_the_terminal_and_no_color(paper):
    def on_terminal(**environ):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            paper.command("validate"), stdout=follower, stderr=follower, env=paper.environ | environ
        )
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:  # Linux says EIO when the other side has closed.
                break
            if not chunk:
                break
            seen += chunk
        process.wait()
        os.close(leader)
        return seen

    paper.edit("base/endpoint.yml", "disabled", "enabled")
    assert b"\x1b[" in on_terminal(TERM="xterm")
    assert b"\x1b[" not in on_terminal(TERM="xterm", NO_COLOR="1")
    assert b"\x1b[" not in on_terminal(TERM="dumb")
    assert "\x1b[" not in paper.run("validate").stdout


def test_options_come_from_the_environment_unless_said(paper):
    assert paper.run("render", AML_GITOPS_ENVIRONMENT="local").returncode == 0
    assert paper.run("render", "-e", "local", AML_GITOPS_ENVIRONMENT="nowhere").returncode == 0
    assert paper.run("render", AML_GITOPS_ENVIRONMENT="nowhere").returncode == 64


def test_apply_without_a_terminal_needs_yes_and_asks_on_one(shop):
    done = shop.run("apply", "-e", "local")
    assert done.returncode == 64
    assert "--yes" in done.stderr
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        shop.command("apply", "-e", "local"),
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=shop.environ,
        text=True,
    )
    os.write(leader, b"no\n")
    _, said = process.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    assert process.returncode == 1
    assert "Nothing was applied" in said
    assert shop.json("plan", "-e", "local")["summary"]["create"] == 5


def test_a_foreign_endpoint_is_refused_and_adopted_on_request(shop):
    shop.write("base/open.yml", "kind: endpoint\nname: theirs\nauth_mode: key\npublic_network_access: disabled\n")
    shop.ok("apply", "-e", "local", "--yes")
    shop.edit("gitops.yaml", "project: shop", "project: other")
    refused = shop.run("apply", "-e", "local", "--yes")
    assert refused.returncode == 3
    assert "belongs to shop/local" in refused.stdout
    shop.edit("gitops.yaml", "project: other", "project: shop")


def test_ctrl_c_ends_at_a_safe_point_with_a_truthful_report(shop):
    slow = "import time\ndef init(): time.sleep(4)\ndef run(data): return 1\n"
    shop.write("base/slow/score.py", slow)
    text = (shop.root / "base/deployment.yml").read_text()
    for name in ("first", "second"):
        shop.write(f"base/{name}.yml", text.replace("name: blue", f"name: {name}").replace("code: src", "code: slow"))
    shop.edit("gitops.yaml", "project: shop", "project: shop\nlimits: {workers: 1}")
    process = subprocess.Popen(
        shop.command("apply", "-e", "local", "--yes"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=shop.environ,
        text=True,
    )
    for line in process.stderr:
        if "deployment/adder/first create" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, out + err
    assert "Stopping" in err
    assert "ok deployment/adder/first created" in err
    assert "deployment/adder/second interrupted" in err
    assert "1 interrupted" in out
    plan = shop.json("plan", "-e", "local")
    assert [a["resource"] for a in plan["actions"]] == ["deployment/adder/second"]


def test_emulator_starts_once_and_stop_leaves_nothing(paper):
    first = paper.json("emulator", "start")
    again = paper.json("emulator", "start")
    assert again["url"] == first["url"]
    assert "running" in paper.ok("emulator", "status")
    paper.ok("apply", "-e", "local", "--yes")
    paper.ok("emulator", "stop")
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(paper.root) not in left
    assert paper.run("emulator", "status").returncode == 3
    paper.ok("emulator", "start")
    assert "Nothing to do" in paper.ok("plan", "-e", "local")  # State survives.
    paper.ok("emulator", "reset")
    assert paper.run("plan", "-e", "local").returncode == 1


def test_schemas_are_written_for_editors(paper, tmp_path):
    paper.ok("schema", "--out", str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert "deployment.schema.json" in names
    assert "project.schema.json" in names
    assert json.loads(paper.ok("schema", "endpoint"))["title"]


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_at_the_question_leaves_at_once(shop, signals):
    shop.edit("base/endpoint.yml", "auth_mode: key", "auth_mode: aad_token")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        shop.command("apply", "-e", "local"),
        stdin=follower,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=shop.environ,
        start_new_session=True,
    )
    said = b""
    while b"Only 'yes' is yes" not in said:
        said += os.read(process.stderr.fileno(), 4096)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    process.stderr.close()
    os.close(leader)
    os.close(follower)
    shop.edit("base/endpoint.yml", "auth_mode: aad_token", "auth_mode: key")


def test_render_spells_paths_as_the_base_file_would(paper):
    paper.write("other/base.json", "3")
    paper.write("overlays/local/model.yml", "kind: model\nname: numbers\npath: ../../other\n")
    text = paper.ok("render", "-e", "local")
    assert "path: ../other\n" in text
    assert "conda_file: conda.yml\n" in text


def test_a_plan_file_inside_the_project_does_not_make_its_own_plan_stale(shop):
    plan = shop.run("plan", "-e", "local", "--out", "local.plan")
    assert plan.returncode == 0, plan.stderr
    applied = shop.run("apply", "-e", "local", "local.plan", "--yes")
    assert applied.returncode == 0, applied.stderr
    (shop.root / "local.plan").unlink()


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (("validate",), {"AML_GITOPS_LOG_LEVEL": "foo"}, "AML_GITOPS_LOG_LEVEL=foo"),
        (("validate",), {"AML_GITOPS_COLOR": "foo"}, "AML_GITOPS_COLOR=foo"),
        (("validate", "base/endpoint.yml", "-e", "local"), {}, "--network"),
        (("apply", "-e", "local", "--yes", "--confirm", "endpoint/nope"), {}, "the plan does nothing to it"),
    ],
)
def test_what_would_have_no_effect_is_refused(shop, arguments, environ, said):
    done = shop.run(*arguments, **environ)
    assert (done.returncode, said in done.stderr) == (64, True), done.stdout + done.stderr


def test_a_refused_apply_as_json_tells_the_refusals(shop):
    shop.edit("gitops.yaml", "project: shop", "project: other")
    done = shop.run("apply", "-e", "local", "--yes", "-o", "json")
    shop.edit("gitops.yaml", "project: other", "project: shop")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert document["ok"] is False
    assert {refusal["rule"] for refusal in document["plan"]["refusals"]} == {"not-owned"}


def test_a_stopped_emulator_is_named_as_the_cause(paper):
    paper.ok("emulator", "start")
    facts = (paper.root / ".emulator/connection.json").read_text()
    paper.ok("emulator", "stop")
    paper.write(".emulator/connection.json", facts)
    done = paper.run("plan", "-e", "local")
    assert done.returncode == 1
    assert "aml-gitops emulator start" in done.stderr
    assert "ssl" not in done.stderr


def test_a_lost_stderr_does_not_stop_an_apply(paper):
    paper.ok("emulator", "start")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            paper.command("apply", "-e", "local", "--yes"),
            stdout=subprocess.PIPE,
            stderr=full,
            env=paper.environ,
            text=True,
            check=False,
        )
    paper.ok("emulator", "stop")
    assert done.returncode == 0
    assert "Applied: 5 created, 1 updated." in done.stdout


def test_the_users_proxies_and_azure_settings_do_not_lead_the_emulators_uploads_astray(paper):
    paper.ok("emulator", "start")
    done = paper.run(
        "apply", "-e", "local", "--yes", https_proxy="http://127.0.0.1:9", AZURE_AUTHORITY_HOST="nowhere.invalid",
        no_proxy="*", PYTHONOPTIMIZE="2",
    )  # fmt: skip
    paper.ok("emulator", "stop")
    assert done.returncode == 0, done.stdout + done.stderr
