"""What each channel and forge is sent: text of others stays text, and nothing is longer than it may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.notify.commit_status import DESCRIPTION_CHARACTERS, status_call
from reconciler.notify.forges import forge_of
from reconciler.notify.payloads import MESSAGE_CHARACTERS, plain, slack, teams, time_text, webhook
from reconciler.notify.rules import Message, News, Occasion

SHA = "a" * 40
HOSTILE = (
    "<!channel> <@U1> @here & <https://evil.example|click> **bold** [x](https://evil.example) <at>all</at>"
    "\n\x1b[2J\u202e"
)


def message(text="it is so", resources=("deployment/churn/blue",), news=News.FAILING, reason="ActionFailed"):
    ok = news is News.RECOVERED
    return Message(
        news, Occasion("shop", "prod", SHA, ok, "Synced" if ok else reason, text, resources), 1_790_000_000.0
    )


def runs_of(payload):
    """Every text run of a Teams card."""
    blocks = payload["attachments"][0]["content"]["body"]
    return [run for block in blocks for run in block["inlines"]]


def test_slack_says_what_where_why_and_since_when():
    text = slack(message())["text"]
    assert text.splitlines() == [
        "🔴 *shop/prod fails: ActionFailed*",
        "deployment/churn/blue",
        "it is so",
        f"revision {SHA} · failing since 2026-09-21T14:13:20Z",
    ]


def test_slack_tells_a_recovery():
    text = slack(message("", (), News.RECOVERED))["text"]
    assert text.splitlines() == [
        "🟢 *shop/prod has recovered*",
        f"revision {SHA} · had failed since 2026-09-21T14:13:20Z",
    ]


def test_slack_gets_no_markup_and_no_mention_from_others():
    text = slack(message(HOSTILE, (HOSTILE,)))["text"]
    assert "<" not in text
    assert ">" not in text
    assert "@here" not in text
    assert "@all" not in text
    assert "&lt;!channel&gt;" in text
    assert len(text.splitlines()) == 4
    assert all(line.isprintable() or "\u200b" in line for line in text.splitlines())


def test_slack_looks_nothing_up():
    assert (slack(message())["link_names"], slack(message())["parse"]) == (False, "none")


def test_teams_gets_text_runs_alone_which_have_no_markdown():
    payload = teams(message(HOSTILE, (HOSTILE,)))
    card = payload["attachments"][0]
    assert (payload["type"], card["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["content"]["type"], card["content"]["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["content"]["body"]} == {"RichTextBlock"}
    assert {run["type"] for run in runs_of(payload)} == {"TextRun"}
    assert "entities" not in json.dumps(payload)


def test_the_document_of_the_webhook():
    assert webhook(message()) == {
        "version": 1,
        "project": "shop",
        "environment": "prod",
        "revision": SHA,
        "state": "failing",
        "reason": "ActionFailed",
        "message": "it is so",
        "resources": ["deployment/churn/blue"],
        "resources_total": 1,
        "since": "2026-09-21T14:13:20Z",
    }


@pytest.mark.parametrize("character", ["x", "<", "&", "@a", "é", "🔥", "\U0010ffff"])
def test_nothing_is_too_long(character):
    huge = message(character * 100_000, tuple(character * 10_000 for _ in range(1000)))
    assert len(json.dumps(slack(huge)["text"])) < 40_000
    # Teams takes 28 KB (learn.microsoft.com: limits of webhooks); aiohttp sends JSON with escapes.
    assert len(json.dumps(teams(huge)).encode()) < 28_000
    document = webhook(huge)
    assert len(document["message"]) <= MESSAGE_CHARACTERS
    assert (len(document["resources"]), document["resources_total"]) == (10, 1000)


@given(st.text(max_size=300), st.integers(1, 50))
def test_plain_text_is_one_short_visible_line(text, characters):
    shown = plain(text, characters)
    assert len(shown) <= characters
    assert shown.isprintable()
    assert shown == plain(shown, characters)


@pytest.mark.parametrize("time_s", [None, float("inf"), 1e300, -1e300])
def test_what_is_no_time_is_no_text(time_s):
    assert time_text(time_s) == ""


# -- commit statuses -----------------------------------------------------------------------------------------------

FORGES = [
    ("github", "acme/ml", f"https://api.github.com/repos/acme/ml/statuses/{SHA}"),
    ("gitlab", "acme/team/ml", f"https://gitlab.com/api/v4/projects/acme%2Fteam%2Fml/statuses/{SHA}"),
    ("gitlab", "1234", f"https://gitlab.com/api/v4/projects/1234/statuses/{SHA}"),
    (
        "azuredevops",
        "org/My Project/repo",
        f"https://dev.azure.com/org/My%20Project/_apis/git/repositories/repo/commits/{SHA}/statuses?api-version=7.1",
    ),
]


@pytest.mark.parametrize(("name", "repository", "url"), FORGES)
def test_where_a_mark_goes(name, repository, url):
    call = status_call(forge_of(name, repository, "t0k3n"), "prod", SHA, "success", "Synced")
    assert (call.method, call.url) == ("POST", url)
    assert "t0k3n" not in repr(call)


STATES = {
    "github": ["pending", "success", "failure", "error"],
    "gitlab": ["pending", "success", "failed", "failed"],
    "azuredevops": ["pending", "succeeded", "failed", "error"],
}


@pytest.mark.parametrize(("name", "repository"), [one[:2] for one in FORGES])
def test_a_state_is_called_as_the_forge_calls_it(name, repository):
    forge = forge_of(name, repository, "t0k3n")
    calls = [status_call(forge, "prod", SHA, state, "x" * 500) for state in ("pending", "success", "failure", "error")]
    assert [call.json["state"] for call in calls] == STATES[name]
    assert {len(call.json["description"]) for call in calls} == {DESCRIPTION_CHARACTERS}
    for call in calls:
        context = call.json.get("context") or call.json["name"]
        assert context in ("aml-gitops/prod", {"genre": "aml-gitops", "name": "prod"})
