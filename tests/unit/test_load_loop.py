"""The loop file: what it may say, where a mistake is, and that no finding repeats a secret that was pasted into it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ManifestError, SourceError
from reconciler.load.loop_file import load_loop
from reconciler.load.strict_file import Manner, checked
from schemas.loop import Loop

FULL = """\
source:
  url: https://git.example/acme/shop.git
  branch: main
  token: {env: GIT_TOKEN}
  verify: {allowed_signers: signers}
environments: [dev, prod]
interval_s: 30
listen: 127.0.0.1:8080
webhooks:
  github: {file: hook-secret}
  azuredevops: {username: hook, password: {env: HOOK_PASSWORD}}
commit_status: {forge: github, repository: acme/shop, token: {env: STATUS_TOKEN}}
notifications:
  - type: slack
    url: {env: SLACK_URL}
"""


def loaded(tmp_path, text):
    path = tmp_path / "loop.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_loop(path)


def findings(tmp_path, text):
    with pytest.raises(ManifestError) as raised:
        loaded(tmp_path, text)
    return raised.value.findings


def test_a_full_loop_file(tmp_path):
    loop = loaded(tmp_path, FULL)
    assert loop.source is not None
    assert (loop.source.branch, loop.environments, loop.interval_s) == ("main", ("dev", "prod"), 30)
    assert loop.webhooks.github is not None
    assert (loop.webhooks.github.file, loop.notifications[0].remind_after_s) == ("hook-secret", 14_400)


def test_every_field_may_be_left_out(tmp_path):
    assert loaded(tmp_path, "poll_s: 30\n") == Loop()


@pytest.mark.parametrize(
    ("change", "rule", "place", "path", "hint"),
    [
        (("branch:", "brnch:"), "unknown-field", "3:3", "source", "did you mean branch?"),
        (("interval_s: 30", "interval_s: soon"), "wrong-type", "7:1", "interval_s", None),
        (("  - type: slack", "  - type: mail"), "wrong-type", "14:5", "notifications[0].type", None),
        (("    url: {env: SLACK_URL}\n", ""), "wrong-type", "14:5", "notifications[0].url", "add `url: ...`"),
        (("[dev, prod]", "[dev, Prod]"), "wrong-type", "6:21", "environments[1]", None),
        (("interval_s: 30", "interval_s: 30\ninterval_s: 60"), "duplicate-key", "8:1", "", "keep one of the two"),
        (("branch: main", "branch: main\n  path: ../elsewhere"), "path-escape", "4:3", "source.path", None),
    ],
)  # fmt: skip
def test_mistakes_have_a_place(tmp_path, change, rule, place, path, hint):
    (finding,) = findings(tmp_path, FULL.replace(*change))
    assert (finding.rule, str(finding.position), finding.path) == (rule, f"loop.yaml:{place}", path)
    assert hint is None or finding.hint == hint


def test_all_mistakes_are_told_at_once_in_order(tmp_path):
    wrong = FULL.replace("branch:", "brnch:").replace("interval_s: 30", "interval_s: 0").replace("slack", "mail")
    assert [finding.position.line for finding in findings(tmp_path, wrong)] == [3, 7, 14]


def test_two_revisions_are_one_too_many(tmp_path):
    (finding,) = findings(tmp_path, FULL.replace("branch: main", "branch: main\n  tag: v1"))
    assert "names branch and tag" in finding.message


@pytest.mark.parametrize(
    ("text", "message"), [("", "is empty"), ("poll_s: 1\n---\npoll_s: 2\n", "one document"), ("a: [", "not YAML")]
)
def test_what_is_no_one_document(tmp_path, text, message):
    (finding,) = findings(tmp_path, text)
    assert message in finding.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match=r"loop\.yaml: No such file"):
        load_loop(tmp_path / "loop.yaml")


# -- pasted secrets --------------------------------------------------------------------------------------------------

CANARY = "S3cr3t-c4nary+77"


def told(found):
    return repr(found) + str(ManifestError(tuple(found)))


@pytest.mark.parametrize(
    "pasted",
    [
        f"source: {{url: u, token: {CANARY}}}",
        f"source: {{url: u, token: {{env: {CANARY}}}}}",
        f"source: {{url: u, token: {{{CANARY}: x}}}}",
        f"source: {{url: u, token: {{? {CANARY}}}}}",
        f"source: {{url: u, token: [{CANARY}]}}",
        f"source: {{url: u, token: *{CANARY}}}",
        f"source: {{url: u, token: !{CANARY} x}}",
        f"source: {{url: u, token: !!int {CANARY}}}",
        f"source: {{url: u, path: ../{CANARY}}}",
        f"source: {{url: u, commit: {CANARY}}}",
        f"webhooks: {{github: '{CANARY}'}}",
        f"webhooks: {{azuredevops: {{username: a, password: {CANARY}}}}}",
        f"notifications: [{{type: slack, url: 'https://hooks.example/{CANARY}'}}]",
        f"commit_status: {{forge: github, repository: a/b, api_url: 'https://u:{CANARY}@x', token: {{env: A}}}}",
        f"{CANARY}: 1\n{CANARY}: 2\n",
        f"{CANARY}",
        f"- {CANARY}",
        f"poll_s: {CANARY}",
        f'token: "{CANARY}',
        f"environments: [{CANARY}]",
        f"notifications: [{{type: {CANARY}, url: {{env: A}}}}]",
    ],
)
def test_a_pasted_secret_is_refused_and_not_repeated(tmp_path, pasted):
    found = findings(tmp_path, pasted)
    assert CANARY not in told(found)


@pytest.mark.parametrize(
    "pasted", ["source: {url: u, token: hunter2}", "notifications: [{type: slack, url: 'https://x'}]"]
)
def test_a_pasted_secret_comes_with_how_to_give_it(tmp_path, pasted):
    (finding,) = findings(tmp_path, pasted)
    assert finding.hint is not None
    assert "env: NAME" in finding.hint


def test_a_token_that_would_pass_as_the_name_of_a_variable(tmp_path):
    token = "ghp_" + "a1B2" * 9
    (finding,) = findings(tmp_path, FULL.replace("GIT_TOKEN", token))
    assert (finding.rule, finding.path, str(finding.position)) == (
        "literal-secret",
        "source.token.env",
        "loop.yaml:4:11",
    )
    assert token not in told([finding])


MARKED = "zq9zq9zq9"


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(FULL)),
    cut=st.integers(0, 12),
    before=st.sampled_from(
        ["", "*", "!", "&", "? ", "{", "[", "'", '"', "!!int ", "- ", ": ", "<<: ", "{{", "\n", "%"]
    ),
    after=st.sampled_from(["", ":", ": x", "}", "]", "'", '"', "\n", "}}", ": {", ","]),
)
def test_wherever_a_secret_is_pasted_no_finding_repeats_it(at, cut, before, after):
    text = FULL[:at] + before + MARKED + after + FULL[at + cut :]
    read = checked(text.encode(), "loop.yaml", Loop, Manner("loop file", "poll_s: 1", quotes=False))
    assert MARKED not in told(read.findings)
