"""The teller as the loop has it: beside the passes, remembered by the caller, quiet about what went wrong."""

import asyncio
import json
import logging
from collections import Counter

import pytest
from aiohttp import web
from forge_stub import SHA, TOKEN, forge_stub

from reconciler.errors import UsageError
from reconciler.notify.lane import ROOM
from reconciler.notify.rules import Occasion
from reconciler.notify.telling import Teller
from schemas.loop import Loop

CANARY = "canary-hook-9b1d"
NEXT = "d" * 40


@pytest.fixture
async def stub(monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    async with forge_stub() as running:
        yield running


class Told:
    """A teller, its secrets, and what it reported."""

    def __init__(self, stub, *kinds, status=None, **notification):
        self.secrets = {kind: f"{stub.url}/hook/{kind}/{CANARY}" for kind in kinds} | {"token": TOKEN}
        loop = {
            "notifications": [{"type": kind, "url": {"env": kind}, **notification} for kind in kinds],
        }
        if status:
            repository = {"azuredevops": "org/My Project/repo"}.get(status, "acme/ml")
            loop["commit_status"] = {
                "forge": status, "repository": repository, "api_url": stub.url, "token": {"env": "token"}
            }  # fmt: skip
        self.loop = Loop.model_validate(loop)
        self.results = []
        self.restart()

    def restart(self):
        """Another process, or another replica: nothing of the one before but what the caller kept."""
        self.teller = Teller(self.loop, self.reveal, lambda *result: self.results.append(result), pause_s=0)

    def reveal(self, secret):
        if secret.env not in self.secrets:
            raise UsageError(f"environment variable {secret.env} is not set")
        return self.secrets[secret.env]

    async def passes(self, *occasions, remembered=None, start_s=1_000_000.0, every_s=60.0):
        """Tell of passes one after the other, each delivered before the next; return what is remembered."""
        for number, occasion in enumerate(occasions):
            remembered = self.teller.tell(occasion, remembered, start_s + number * every_s)
            remembered = json.loads(json.dumps(remembered))
            await self.delivered()
        return remembered

    async def delivered(self):
        """Wait until nothing is under way."""
        tasks = [lane._task for lane in self.teller._lanes.values() if lane._task]
        if tasks:
            await asyncio.wait(tasks)


def failing(reason="PlanRefused", revision=SHA, environment="prod", **more):
    return Occasion("shop", environment, revision, False, reason, "it is so", ("endpoint/churn",), **more)


def fine(revision=SHA, environment="prod"):
    return Occasion("shop", environment, revision, True, "Synced")


def states(stub, name):
    return [one["state"] for one in stub.hooks(name)]


async def test_everybody_is_told_first_and_last_and_the_commit_is_marked(stub):
    told = Told(stub, "slack", "teams", "webhook", status="github")
    remembered = told.teller.mark_pending("prod", SHA, None)
    await told.passes(failing(), failing(), fine(), fine(), remembered=remembered)
    await told.teller.close()
    assert states(stub, "webhook") == ["failing", "recovered"]
    assert len(stub.hooks("slack")) == len(stub.hooks("teams")) == 2
    assert [status[1:] for status in stub.statuses] == [
        (SHA, "aml-gitops/prod", state) for state in ("pending", "failure", "success")
    ]
    assert Counter(told.results) == {
        ("slack", "delivered"): 2, ("teams", "delivered"): 2, ("webhook", "delivered"): 2,
        ("commit_status", "delivered"): 3,
    }  # fmt: skip


async def test_a_restart_repeats_nothing(stub):
    told = Told(stub, "webhook", status="github")
    remembered = await told.passes(failing())
    await told.teller.close()
    told.restart()
    remembered = await told.passes(failing(), fine(), remembered=remembered, start_s=1_000_100.0)
    await told.teller.close()
    told.restart()
    told.teller.mark_pending("prod", SHA, remembered)
    await told.passes(fine(), remembered=remembered, start_s=1_000_300.0)
    await told.teller.close()
    assert states(stub, "webhook") == ["failing", "recovered"]
    assert [status[3] for status in stub.statuses] == ["failure", "success"]


@pytest.mark.parametrize("forge", ["github", "gitlab", "azuredevops"])
async def test_each_commit_is_marked_once_for_each_state(stub, forge):
    told = Told(stub, status=forge)
    await told.passes(fine(), fine(), failing(revision=NEXT), failing(revision=NEXT), fine(NEXT), fine(NEXT))
    await told.teller.close()
    good, bad = {"github": ("success", "failure"), "gitlab": ("success", "failed")}.get(forge, ("succeeded", "failed"))
    assert [one[1:] for one in stub.statuses] == [
        (sha, "aml-gitops/prod", state) for sha, state in ((SHA, good), (NEXT, bad), (NEXT, good))
    ]


async def test_passing_trouble_marks_no_commit_until_it_lasts(stub):
    told = Told(stub, "webhook", status="github")
    away = failing("AzureUnavailable", transient=True)
    remembered = await told.passes(fine(), away, away, fine())
    assert ([one[3] for one in stub.statuses], states(stub, "webhook")) == (["success"], [])
    await told.passes(away, away, away, fine(), remembered=remembered)
    await told.teller.close()
    assert [one[3] for one in stub.statuses] == ["success", "error", "success"]
    assert states(stub, "webhook") == ["failing", "recovered"]


async def test_working_copies_are_not_marked(stub):
    told = Told(stub, status="github")
    await told.passes(fine(f"{SHA}-dirty"), fine("unversioned"))
    await told.teller.close()
    assert stub.seen == []


async def test_only_those_who_asked_for_the_environment_are_told(stub):
    told = Told(stub, "webhook", environments=["prod"])
    await told.passes(failing(environment="dev"))
    assert stub.seen == []
    await told.passes(failing())
    await told.teller.close()
    assert states(stub, "webhook") == ["failing"]


async def test_it_is_told_again_after_the_set_time(stub):
    told = Told(stub, "webhook", remind_after_s=120)
    await told.passes(*[failing()] * 6)
    await told.teller.close()
    assert states(stub, "webhook") == ["failing", "still_failing", "still_failing"]
    assert {one["since"] for one in stub.hooks("webhook")} == {"1970-01-12T13:46:40Z"}


async def test_a_message_that_did_not_arrive_is_due_again(stub):
    told = Told(stub, "webhook")
    stub.answers += [web.Response(status=503) for _ in range(3)]
    remembered = await told.passes(failing())
    assert told.results == [("webhook", "failed")]
    stub.seen.clear()
    remembered = await told.passes(failing(), remembered=remembered, start_s=1_000_060.0)
    assert (told.results[-1], states(stub, "webhook")) == (("webhook", "delivered"), ["failing"])
    stub.answers += [web.Response(status=503) for _ in range(3)]
    remembered = await told.passes(fine(), remembered=remembered, start_s=1_000_120.0)
    stub.seen.clear()
    await told.passes(fine(), fine(), remembered=remembered, start_s=1_000_180.0)
    await told.teller.close()
    assert states(stub, "webhook") == ["recovered"]


async def test_what_a_later_message_said_is_not_due_again(stub):
    told = Told(stub, "webhook")
    stub.answers += [web.Response(status=503) for _ in range(3)]
    stub.gate.clear()
    remembered = told.teller.tell(failing("PlanRefused"), None, 1e6)
    remembered = told.teller.tell(failing("ActionFailed"), remembered, 1e6 + 60)
    stub.gate.set()
    await told.delivered()
    assert told.results == [("webhook", "failed"), ("webhook", "delivered")]
    await told.passes(failing("ActionFailed"), remembered=remembered, start_s=1e6 + 120)
    await told.teller.close()
    assert len(told.results) == 2


async def test_the_end_of_a_failure_nobody_heard_of_is_not_told(stub):
    told = Told(stub, "webhook")
    stub.answers += [web.Response(status=503) for _ in range(3)]
    remembered = await told.passes(failing())
    stub.seen.clear()
    await told.passes(fine(), remembered=remembered)
    await told.teller.close()
    assert stub.seen == []


async def test_a_message_that_is_refused_is_not_sent_at_each_pass(stub):
    told = Told(stub, "webhook")
    stub.answers += [web.Response(status=404)]
    await told.passes(failing(), failing(), failing())
    await told.teller.close()
    assert told.results == [("webhook", "refused")]
    assert len(stub.seen) == 1


async def test_a_mark_that_did_not_arrive_is_due_again(stub):
    told = Told(stub, status="github")
    stub.answers += [ConnectionError() for _ in range(3)]
    await told.passes(fine(), fine(), fine())
    await told.teller.close()
    assert told.results == [("commit_status", "failed"), ("commit_status", "delivered")]
    assert len(stub.statuses) == 1


async def test_marks_of_commits_that_were_left_behind_are_forgotten(stub):
    told = Told(stub, status="github")
    stub.answers += [web.Response(status=503) for _ in range(60)]
    await told.passes(*[fine(f"{number:040x}") for number in range(20)])
    assert told.results == [("commit_status", "failed")] * 20
    assert len(told.teller._unmarked) == 1
    await told.teller.close()


async def test_a_rate_limit_is_kept_to(stub):
    told = Told(stub, status="github")
    stub.answers += [
        web.Response(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999"})
    ]
    await told.passes(fine(), fine(), fine(NEXT), fine(NEXT))
    assert set(told.results) == {("commit_status", "limited")}
    assert len(stub.seen) == 1
    told.teller._limited_until_s = 0.0
    await told.passes(fine(NEXT), remembered={"marks": [[NEXT, "success"]]})
    await told.teller.close()
    assert [one[1] for one in stub.statuses] == [NEXT]


async def test_gitlab_that_says_so_already_is_no_failure(stub):
    told = Told(stub, status="gitlab")
    told.teller.mark_pending("prod", SHA, None)
    told.teller.mark_pending("prod", SHA, None)
    await told.delivered()
    await told.teller.close()
    assert told.results == [("commit_status", "delivered")] * 2


async def test_a_slow_target_keeps_nobody_waiting(stub):
    told = Told(stub, "slack", status="github")
    stub.gate.clear()
    remembered = None
    for number in range(5):
        remembered = told.teller.tell(failing(f"Reason{number}"), remembered, 1e6 + number)
    await stub.arrived.wait()
    assert told.results == []
    stub.gate.set()
    await told.delivered()
    await told.teller.close()
    assert len(stub.hooks("slack")) == 5


async def test_too_much_to_tell_drops_the_oldest(stub):
    told = Told(stub, "webhook")
    stub.gate.clear()
    for number in range(ROOM + 11):
        told.teller.tell(failing(environment=f"e{number}"), None, 1e6)
    await stub.arrived.wait()
    stub.gate.set()
    await told.delivered()
    await told.teller.close()
    assert Counter(told.results) == {("webhook", "delivered"): ROOM, ("webhook", "dropped"): 11}
    assert [one["environment"] for one in stub.hooks("webhook")] == [f"e{number}" for number in range(11, ROOM + 11)]


async def test_closing_delivers_what_waits(stub):
    told = Told(stub, "webhook")
    told.teller.tell(failing(), None, 1e6)
    await told.teller.close()
    assert told.results == [("webhook", "delivered")]


async def test_closing_takes_no_longer_than_it_may(stub):
    told = Told(stub, "webhook", "slack", status="github")
    stub.gate.clear()
    remembered = told.teller.tell(failing(), None, 1e6)
    told.teller.tell(failing("ActionFailed"), remembered, 1e6)
    await stub.arrived.wait()
    await asyncio.wait_for(told.teller.close(within_s=0.1), timeout=2)
    assert Counter(told.results) == {
        ("webhook", "dropped"): 2,
        ("slack", "dropped"): 2,
        ("commit_status", "dropped"): 1,
    }
    assert told.teller._session.closed
    told.teller.tell(fine(), None, 1e6)
    assert told.results.count(("commit_status", "dropped")) == 2


async def test_a_secret_is_read_at_each_use(stub):
    told = Told(stub, "webhook")
    remembered = await told.passes(failing())
    told.secrets["webhook"] = f"{stub.url}/hook/webhook/rotated"
    await told.passes(fine(), remembered=remembered)
    await told.teller.close()
    assert stub.seen[-1].path == "/hook/webhook/rotated"


async def test_a_secret_that_went_away_does_not_end_the_loop(stub, caplog):
    told = Told(stub, "webhook", status="github")
    told.secrets.clear()
    await told.passes(failing())
    await told.teller.close()
    assert set(told.results) == {("webhook", "failed"), ("commit_status", "failed")}
    assert "is not set" in caplog.records[0].cause


async def test_the_unexpected_does_not_end_the_loop_either(stub, caplog):
    told = Told(stub, "webhook")

    def surprise(secret):
        raise RuntimeError(CANARY)

    told.teller._reveal = surprise
    await told.passes(failing())
    await told.teller.close()
    assert told.results == [("webhook", "failed")]
    assert caplog.records[0].cause == "unexpected RuntimeError"


@pytest.mark.parametrize("kind", ["slack", "teams", "webhook"])
@pytest.mark.parametrize("url", ["", CANARY, f"ftp://{CANARY}"])
async def test_an_address_that_is_none_is_told_at_the_start(stub, kind, url):
    told = Told(stub, kind)
    told.secrets[kind] = url
    with pytest.raises(UsageError, match=f"{kind} notification") as caught:
        told.restart()
    assert CANARY not in str(caught.value)


async def test_a_token_that_is_missing_is_told_at_the_start(stub):
    told = Told(stub, status="github")
    told.secrets.clear()
    with pytest.raises(UsageError, match="token"):
        told.restart()


async def test_no_log_and_no_memory_has_an_address_or_a_token(stub, caplog):
    caplog.set_level(logging.DEBUG)
    told = Told(stub, "slack", "teams", "webhook", status="github")
    stub.answers += [web.Response(status=404, text=f"{CANARY}{TOKEN}") for _ in range(2)]
    stub.answers += [ConnectionError() for _ in range(7)]
    remembered = await told.passes(failing(), failing("ActionFailed"), fine())
    told.secrets |= dict.fromkeys(("slack", "teams", "webhook"), f"https://{CANARY}:1:1/")
    remembered = await told.passes(failing(), remembered=remembered, start_s=2e6)
    await told.teller.close()
    kept = caplog.text + repr([vars(record) for record in caplog.records]) + json.dumps(remembered) + repr(told.results)
    assert ("slack", "failed") in told.results
    assert "not delivered" in kept
    assert CANARY not in kept
    assert TOKEN not in kept


async def test_two_addresses_of_one_name_are_two_targets(stub):
    told = Told(stub, "webhook", "webhook")
    remembered = await told.passes(failing())
    await told.teller.close()
    assert len(stub.hooks("webhook")) == 2
    assert list(remembered["told"]) == ["webhook:env:webhook", "webhook:env:webhook#2"]
