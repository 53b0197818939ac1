"""When to tell somebody: of the first failure, of the recovery, again after a set time, and never in between.

What decides is the state alone (commit, environment, reason). No duration, time or count is part of it, so that a
failure that only counts on is not news (fluxcd/notification-controller#509).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LASTING_PASSES = 3
LASTING_S = 300.0
"""What may pass by itself is told once it lasted this many passes, or this long."""

MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a pass came to. ``resources`` are those that fail; ``transient`` says that it may pass without a commit."""

    project: str
    environment: str
    revision: str
    ok: bool
    reason: str
    message: str = ""
    resources: tuple[str, ...] = ()
    transient: bool = False


class News(StrEnum):
    """What a message is about."""

    FAILING = "failing"
    STILL_FAILING = "still_failing"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell. ``since_s`` is when the failure began, in seconds of Unix time, if that is still known."""

    news: News
    occasion: Occasion
    since_s: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that lasts: since when (seconds of Unix time), and for how many passes."""

    since_s: float
    passes: int = 1

    def lasts(self, now_s: float) -> bool:
        """Whether it is no passing trouble."""
        return self.passes >= LASTING_PASSES or now_s - self.since_s >= LASTING_S


@dataclass(frozen=True, slots=True)
class Told:
    """What one target was told last. ``open`` means of a failure whose end it does not know; ``reasons`` are its."""

    open: bool = False
    at_s: float = 0.0
    revision: str = ""
    reasons: tuple[str, ...] = ()


def failure_after(failure: Failure | None, occasion: Occasion, now_s: float) -> Failure | None:
    """The failure that lasts after this pass; None when all is well."""
    if occasion.ok:
        return None
    return Failure(now_s) if failure is None else Failure(min(failure.since_s, now_s), failure.passes + 1)


def news_for(
    told: Told, occasion: Occasion, failure: Failure | None, remind_after_s: float, now_s: float
) -> tuple[News | None, Told]:
    """What one target is to be told of this pass, and what it knows then. ``failure`` includes this pass.

    A failure that ended and comes back on the same commit within ``remind_after_s`` has to last before it is told.
    While a failure is open, another reason is told once, and only one that does not pass by itself.
    """
    if failure is None:
        return (News.RECOVERED, Told(at_s=told.at_s, revision=told.revision)) if told.open else (None, told)
    passed_s = now_s - told.at_s
    if not told.open:
        again = told.revision == occasion.revision and 0 <= passed_s < remind_after_s
        if (occasion.transient or again) and not failure.lasts(now_s):
            return None, told
        return News.FAILING, Told(True, now_s, occasion.revision, (occasion.reason,))
    reasons = (*told.reasons, occasion.reason)[-MOST_REASONS:]
    if occasion.reason not in told.reasons and not occasion.transient and len(told.reasons) < MOST_REASONS:
        return News.FAILING, Told(True, now_s, occasion.revision, reasons)
    if passed_s >= remind_after_s:
        known = told.reasons if occasion.reason in told.reasons else reasons
        return News.STILL_FAILING, Told(True, now_s, occasion.revision, known)
    # A clock that was put back must not silence a target for as long as it was ahead.
    return None, Told(True, min(told.at_s, now_s), told.revision, told.reasons)
