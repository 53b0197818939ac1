"""Webhooks: real shapes of three forges are pushes, and nobody without the secret is believed, whatever is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.errors import UsageError
from reconciler.watch.webhooks import FORGES, Ignored, Push, Refused, Trusted, accepted
from schemas.loop import Webhooks

KEY = bytes(range(32))
SIGNING = "whsec_" + base64.b64encode(KEY).decode()
TRUSTED = Trusted("höok", "gitlab-token", ("hook", "pass:word"))
SIGNED = Trusted(gitlab=SIGNING)
HEAD = "1481a2de7b2a7d02428ad93446ab166be7793fbb"
# The shapes of the forges' documentation, shortened.
GITHUB = {"ref": "refs/heads/main", "before": "0" * 40, "after": HEAD, "repository": {"full_name": "acme/shop"}}
GITLAB = {"object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "after": HEAD, "checkout_sha": HEAD}
AZURE = {
    "eventType": "git.push",
    "publisherId": "tfs",
    "resource": {
        "commits": [{"commitId": HEAD}],
        "refUpdates": [
            {"name": "refs/heads/main", "oldObjectId": "a" * 40, "newObjectId": HEAD},
            {"name": "refs/tags/v1", "oldObjectId": "0" * 40, "newObjectId": "b" * 40},
        ],
    },
}


def github(body, secret="höok", event="push"):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-github-event": event, "x-hub-signature-256": f"sha256={digest}", "content-type": "application/json"}


def gitlab(body, secret="gitlab-token", event="Push Hook"):
    return {"x-gitlab-event": event, "x-gitlab-token": secret}


def signed(body, key=KEY, event="Push Hook", ident="a1", at="1767225600"):
    digest = hmac.digest(key, f"{ident}.{at}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"x-gitlab-event": event, "webhook-id": ident, "webhook-timestamp": at, "webhook-signature": signature}


def azuredevops(body, secret="hook:pass:word", event=""):
    return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


SENT = {
    "github": (github, GITHUB, TRUSTED),
    "gitlab": (gitlab, GITLAB, TRUSTED),
    "gitlab signed": (signed, GITLAB, SIGNED),
    "azuredevops": (azuredevops, AZURE, TRUSTED),
}


def post(name, body=None, headers=None, **changes):
    sender, event, trusted = SENT[name]
    body = json.dumps(event).encode() if body is None else body
    return accepted(headers or sender(body, **changes), body, trusted, f"/webhooks/{name.split()[0]}")


@pytest.mark.parametrize("name", SENT)
def test_a_push_names_what_moved(name):
    pushed = post(name)
    assert isinstance(pushed, Push)
    assert pushed.forge == name.split()[0]
    assert pushed.heads[0] == ("refs/heads/main", HEAD)
    assert len(pushed.heads) == (2 if name == "azuredevops" else 1)


@pytest.mark.parametrize(("name", "secret"), [("github", "hook"), ("gitlab", "gitlab-toke"), ("azuredevops", "hook:x")])
def test_a_wrong_secret_is_401(name, secret):
    assert post(name, secret=secret) == Refused(401, "the secret is missing or wrong")


@pytest.mark.parametrize("name", SENT)
def test_no_secret_is_401(name):
    assert post(name, headers={"x-github-event": "push", "x-gitlab-event": "Push Hook"}).status == 401


@pytest.mark.parametrize("name", ["github", "gitlab signed"])
def test_a_signature_of_another_body_is_401(name):
    sender, event, _ = SENT[name]
    assert post(name, json.dumps(event).encode() + b" ", sender(json.dumps(event).encode())).status == 401


def test_a_gitlab_signature_covers_id_and_time_too():
    body = json.dumps(GITLAB).encode()
    for name in ("webhook-id", "webhook-timestamp"):
        assert post("gitlab signed", body, {**signed(body), name: "other"}).status == 401
    assert post("gitlab signed", key=bytes(32)).status == 401
    assert post("gitlab signed", headers={"x-gitlab-event": "Push Hook", "x-gitlab-token": SIGNING}).status == 401


def test_a_proof_of_another_form_is_none():
    body = json.dumps(GITLAB).encode()
    other = signed(body)["webhook-signature"].replace("v1,", "v2,")
    assert post("gitlab signed", body, {**signed(body), "webhook-signature": other}).status == 401
    right = azuredevops(b"")["authorization"].removeprefix("Basic ")
    assert post("azuredevops", headers={"authorization": f"Bearer {right}"}).status == 401
    assert isinstance(post("azuredevops", headers={"authorization": f"BASIC {right}"}), Push)


def test_one_of_several_gitlab_signatures_is_enough_while_a_token_is_rotated():
    body = json.dumps(GITLAB).encode()
    both = f"v1,{base64.b64encode(bytes(32)).decode()} {signed(body)['webhook-signature']}"
    assert isinstance(post("gitlab signed", body, {**signed(body), "webhook-signature": both}), Push)


@pytest.mark.parametrize(
    "path", ["/webhooks/gitea", "/webhooks/", "/webhooks/github/", "github", "/webhooks/__class__"]
)
def test_a_forge_that_is_not_known_is_404(path):
    body = json.dumps(GITHUB).encode()
    assert accepted(github(body), body, TRUSTED, path) == Refused(404, "no webhook here")


@pytest.mark.parametrize("forge", FORGES)
def test_a_forge_that_is_not_configured_is_404(forge):
    sender, event, _ = SENT[forge]
    body = json.dumps(event).encode()
    assert accepted(sender(body), body, Trusted(), f"/webhooks/{forge}").status == 404


@pytest.mark.parametrize(("name", "event"), [("github", "ping"), ("github", "issues"), ("gitlab", "Note Hook")])
def test_what_is_no_push_is_ignored(name, event):
    assert post(name, event=event) == Ignored(name)


def test_another_event_of_azure_devops_is_ignored():
    assert post("azuredevops", json.dumps({**AZURE, "eventType": "git.pullrequest.created"}).encode()) == Ignored(
        "azuredevops"
    )


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"[" * 200_000, b'"x"', b"{}", b'{"ref": 3, "resource": []}']
)
def test_a_malformed_body_of_one_who_knows_the_secret_is_400(name, body):
    status = 400 if name != "azuredevops" or not body.startswith(b"{") or body == b"{" else None
    answer = post(name, body)
    assert (answer.status if isinstance(answer, Refused) else None) == status


@pytest.mark.parametrize("ref", ["main", "", "refs/heads/a\nb", "refs/" + "x" * 2000, None, ["refs/heads/x"]])
def test_a_ref_that_is_none_is_not_taken_over(ref):
    assert post("github", json.dumps({**GITHUB, "ref": ref}).encode()) == Refused(400, "the push names no ref")


def test_a_deleted_branch_has_no_commit():
    assert post("github", json.dumps({**GITHUB, "after": "0" * 40}).encode()).heads == (("refs/heads/main", ""),)


def test_github_may_send_a_form():
    body = urlencode({"payload": json.dumps(GITHUB)}).encode()
    headers = {**github(body), "content-type": "application/x-www-form-urlencoded"}
    assert isinstance(post("github", body, headers), Push)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_json_is_read_whatever_it_is_called(kind):
    body = json.dumps(GITHUB).encode()
    assert isinstance(post("github", body, {**github(body), "content-type": kind}), Push)


@pytest.mark.parametrize("body", [b"payload=", b"payload=%7B", b"payload=\xff", b"payload=1&" + b"a=b&" * 20])
def test_a_form_without_json_is_400(body):
    assert post("github", body).status == 400


def test_the_same_push_again_is_the_same_hint():
    assert post("github") == post("github")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Trusted(github=""),
        lambda: Trusted(gitlab=""),
        lambda: Trusted(azuredevops=("hook", "")),
        lambda: Trusted(azuredevops=("", "x")),
        lambda: Trusted(gitlab="whsec_"),
        lambda: Trusted(gitlab="whsec_not base64!"),
    ],
)
def test_an_empty_secret_is_refused_at_the_start(make):
    with pytest.raises(UsageError, match="webhooks\\."):
        make()


def test_secrets_are_revealed_as_the_loop_file_says_and_not_shown():
    settings = Webhooks.model_validate(
        {"github": {"env": "A"}, "azuredevops": {"username": "hook", "password": {"file": "b"}}}
    )
    trusted = Trusted.by(settings, lambda secret: f"revealed-{secret.env or secret.file}")
    assert (trusted.github, trusted.gitlab, trusted.azuredevops) == ("revealed-A", None, ("hook", "revealed-b"))
    assert "revealed" not in repr(trusted)


# -- hostile input ---------------------------------------------------------------------------------------------------

NAMES = ("x-hub-signature-256", "x-github-event", "x-gitlab-token", "x-gitlab-event", "authorization", "content-type",
         "webhook-id", "webhook-timestamp", "webhook-signature")  # fmt: skip
TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=80)
VALUES = TEXT | st.sampled_from(
    ["push", "Push Hook", "sha256=", "Basic ", "Basic ====", "basic Og==", "v1,", "v1,é", "\udcff",
     "sha256=" + "0" * 64, "application/x-www-form-urlencoded", "Bearer x", "gitlab-toke", "Basic " + "A" * 76]
)  # fmt: skip
BODIES = st.binary(max_size=200) | st.sampled_from([json.dumps(event).encode() for _, event, _ in SENT.values()])
PATHS = st.sampled_from([f"/webhooks/{forge}" for forge in FORGES]) | TEXT


@settings(max_examples=500)
@given(
    headers=st.dictionaries(st.sampled_from(NAMES), VALUES),
    body=BODIES,
    path=PATHS,
    trusted=st.sampled_from([TRUSTED, SIGNED, Trusted()]),
)
@example(headers={"x-gitlab-token": "\ud800"}, body=b"", path="/webhooks/gitlab", trusted=TRUSTED)
def test_nobody_without_the_secret_is_believed(headers, body, path, trusted):
    assert isinstance(accepted(headers, body, trusted, path), Refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["ref", "after", "eventType", "resource", "refUpdates", "name", "newObjectId"])
EVENTS = st.recursive(
    JSON | st.just("git.push"),
    lambda inner: st.dictionaries(FIELDS, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=10,
)


@given(name=st.sampled_from(sorted(SENT)), event=EVENTS)
def test_one_who_knows_the_secret_cannot_make_it_stumble(name, event):
    answer = post(name, json.dumps(event).encode())
    assert not isinstance(answer, Push) or all(
        ref.startswith("refs/") and ref.isprintable() and len(commit) in (0, 40, 64) for ref, commit in answer.heads
    )


@given(secret=TEXT.filter(bool), body=st.binary(max_size=50))
def test_any_text_may_be_the_secret(secret, body):
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), body, "sha256").hexdigest()
    headers = {"x-hub-signature-256": f"sha256={digest}", "x-github-event": "ping"}
    answer = accepted(headers, body, Trusted(github=secret), "/webhooks/github")
    assert isinstance(answer, Ignored) or answer.status == 400
