"""When somebody is told: the first failure, the recovery, again after a set time; and nothing in between."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.notify.marks import due, is_commit, marked
from reconciler.notify.remembered import Remembered, remembered_from
from reconciler.notify.rules import LASTING_S, Failure, News, Occasion, Told, failure_after, news_for

HOUR_S = 3600.0
A, B = "a" * 40, "b" * 40


def occasion(reason="Synced", revision=A, **more):
    return Occasion("shop", "prod", revision, reason == "Synced", reason, **more)


REFUSED = occasion("PlanRefused")
FAILED = occasion("ActionFailed")
AWAY = occasion("AzureUnavailable", transient=True)
FINE = occasion()


def told_of(passes, remind_after_s=HOUR_S):
    """What one target is told of passes, each a (seconds since the one before, occasion); None where nothing."""
    now_s, failure, told, heard = 1_000_000.0, None, Told(), []
    for after_s, one in passes:
        now_s += after_s
        failure = failure_after(failure, one, now_s)
        news, told = news_for(told, one, failure, remind_after_s, now_s)
        heard.append(news)
    return heard


def each(*occasions, every_s=60):
    return told_of([(every_s, one) for one in occasions])


def test_nothing_is_told_while_all_is_well():
    assert each(FINE, FINE, FINE) == [None] * 3


def test_a_failure_is_told_at_once_and_once_and_its_end_too():
    assert each(FINE, REFUSED, REFUSED, REFUSED, FINE, FINE) == [
        None, News.FAILING, None, None, News.RECOVERED, None,
    ]  # fmt: skip


def test_a_failure_that_lasts_is_told_again_once_in_each_set_time():
    heard = told_of([(600, REFUSED)] * 14)
    assert [n for n, news in enumerate(heard) if news] == [0, 6, 12]
    assert heard[6] is heard[12] is News.STILL_FAILING


def test_what_may_pass_is_told_after_three_passes():
    assert each(AWAY, AWAY, AWAY, AWAY) == [None, None, News.FAILING, None]


def test_what_may_pass_is_told_after_five_minutes():
    assert each(AWAY, AWAY, every_s=LASTING_S) == [None, News.FAILING]


def test_what_has_passed_was_never_told_and_neither_is_its_end():
    assert each(AWAY, AWAY, FINE, AWAY, AWAY, FINE) == [None] * 6


def test_a_final_failure_after_one_that_may_pass_is_told_at_once():
    assert each(AWAY, REFUSED) == [None, News.FAILING]


def test_another_reason_is_told_once_and_does_not_flap():
    assert each(REFUSED, FAILED, REFUSED, FAILED, REFUSED) == [News.FAILING, News.FAILING, None, None, None]


def test_while_a_failure_is_open_what_may_pass_is_no_news():
    assert each(REFUSED, *[AWAY] * 8, FINE) == [News.FAILING, *[None] * 8, News.RECOVERED]


def test_a_failure_that_comes_and_goes_on_one_commit_is_told_the_first_time():
    assert each(*[REFUSED, FINE] * 6) == [News.FAILING, News.RECOVERED, *[None] * 10]


def test_a_failure_that_comes_back_and_stays_is_told():
    assert each(REFUSED, FINE, REFUSED, REFUSED, REFUSED) == [
        News.FAILING, News.RECOVERED, None, None, News.FAILING,
    ]  # fmt: skip


def test_a_failure_of_the_next_commit_is_told_at_once():
    assert each(REFUSED, FINE, replace(REFUSED, revision=B))[-1] is News.FAILING


def test_a_failure_that_comes_back_much_later_is_told_at_once():
    assert told_of([(0, REFUSED), (60, FINE), (HOUR_S, REFUSED)])[-1] is News.FAILING


def test_the_next_commit_that_fails_as_well_is_no_news():
    assert each(REFUSED, replace(REFUSED, revision=B)) == [News.FAILING, None]


def test_a_clock_that_was_ahead_silences_nobody():
    heard = told_of([(0, REFUSED), (-10 * HOUR_S, REFUSED), (HOUR_S, REFUSED)])
    assert heard == [News.FAILING, None, News.STILL_FAILING]


def test_a_clock_that_was_ahead_damps_nothing():
    heard = told_of([(0, REFUSED), (60, FINE), (-10 * HOUR_S, REFUSED)])
    assert heard[-1] is News.FAILING


def test_a_message_grows_no_key_of_its_own():
    """Neither the text nor the resources make a failure another one (they hold counts and times)."""
    changing = [replace(REFUSED, message=f"tried for {n} s", resources=("a",) * n) for n in range(5)]
    assert each(*changing) == [News.FAILING, None, None, None, None]


VERDICTS = st.builds(
    occasion,
    reason=st.sampled_from(("Synced", "PlanRefused", "ActionFailed", "AzureUnavailable", "SourceUnavailable")),
    revision=st.sampled_from((A, B)),
).map(lambda one: replace(one, transient=one.reason.endswith("Unavailable")))
PASSES = st.lists(st.tuples(st.integers(0, 2000), VERDICTS), max_size=60)


@given(PASSES)
def test_any_history_is_told_once_first_again_and_to_its_end(passes):  # noqa: C901 - one oracle
    """An oracle that knows messages and occasions only, not how the rules remember."""
    heard = told_of(passes)
    now_s, running, began_s = 0, 0, 0
    last = None  # the last message: (when, news, occasion)
    said = set()
    seen = set()
    for (after_s, one), news in zip(passes, heard, strict=True):
        now_s += after_s
        is_open = last is not None and last[1] is not News.RECOVERED
        began_s = now_s if not running else began_s
        running = 0 if one.ok else running + 1
        if one.ok:
            assert news is (News.RECOVERED if is_open else None), "a recovery is told once, if the failure was"
            said = set()
        else:
            assert news is not News.RECOVERED
            if is_open and news is not None:
                again = one.reason in said
                assert not again or now_s - last[0] >= HOUR_S, "the same state twice within the set time"
                assert again or news is News.STILL_FAILING or not one.transient
            if is_open and now_s - last[0] >= HOUR_S:
                assert news is not None, "somebody is told again after the set time"
            if not is_open and not one.transient and one.revision not in seen:
                assert news is News.FAILING, "the first failure of a commit"
            if not is_open and (running >= 3 or now_s - began_s >= LASTING_S):
                assert news is News.FAILING, "what lasts is told"
            if not is_open and one.transient and running < 3 and now_s - began_s < LASTING_S:
                assert news is None, "what may pass waits"
            if not is_open and news is None:
                assert one.transient or one.revision in seen
        if news is not None:
            last = (now_s, news, one)
            if not one.ok:
                said.add(one.reason)
                seen.add(one.revision)


@given(PASSES)
def test_a_restart_between_any_two_passes_changes_nothing(passes):
    now_s, failure, told, heard = 1_000_000.0, None, Told(), []
    for after_s, one in passes:
        now_s += after_s
        stored = json.loads(json.dumps(Remembered(failure, {"t": told}).to_json()))
        known = remembered_from(stored)
        failure = failure_after(known.failure, one, now_s)
        news, told = news_for(known.told["t"], one, failure, HOUR_S, now_s)
        heard.append(news)
    assert heard == told_of(passes)


# -- what is remembered --------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("failure", "told", "marks", "open", "at", "revision", "reasons", "x")), inner
        )
    ),
    max_leaves=20,
)


@given(JUNK)
def test_junk_is_not_known(value):
    known = remembered_from(value)
    json.dumps(known.to_json(), allow_nan=False)
    assert remembered_from(known.to_json()) == known


@pytest.mark.parametrize(
    "value",
    [
        {"failure": [float("nan"), 1]},
        {"failure": [float("inf"), 1]},
        {"failure": [10**400, 1]},
        {"told": {"t": {"open": True, "at": "now"}}},
        {"told": {"t": {"open": True, "at": 10**400, "revision": ""}}},
    ],
)
def test_numbers_that_are_none_are_not_known(value):
    known = remembered_from(value)
    assert known.failure is None
    assert all(told == Told() for told in known.told.values())


def test_what_is_remembered_comes_back():
    known = Remembered(Failure(12.5, 3), {"slack:env:X": Told(True, 7.0, A, ("PlanRefused",))}, ((A, "failure"),))
    assert remembered_from(json.loads(json.dumps(known.to_json()))) == known


# -- marks ---------------------------------------------------------------------------------------------------------


def test_a_commit_is_marked_once_for_each_change_of_state():
    marks, posted = (), []
    for state in ("pending", "pending", "failure", "failure", "success", "success", "failure"):
        if due(marks, A, state):
            posted.append(state)
            marks = marked(marks, A, state)
    assert posted == ["pending", "failure", "success", "failure"]


def test_pending_takes_no_verdict_back():
    assert not due(((A, "success"),), A, "pending")
    assert due(((A, "success"),), B, "pending")


@pytest.mark.parametrize("revision", [f"{A}-dirty", "unversioned", "", "main", A[:12], A.upper(), None])
def test_only_whole_commits_are_marked(revision):
    assert not is_commit(revision)
    assert not due((), revision, "success")


def test_the_last_twenty_commits_are_remembered():
    marks = ()
    for number in range(50):
        marks = marked(marks, f"{number:040x}", "success")
    assert [int(revision, 16) for revision, _ in marks] == list(range(30, 50))
    again = marked(marks, marks[5][0], "failure")
    assert len(dict(again)) == 20
    assert again[-1] == (marks[5][0], "failure")
