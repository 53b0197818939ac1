"""What the loop calls after a pass: decides whom to tell what, and has it done beside the next pass."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.errors import UsageError
from reconciler.notify import channels, commit_status, marks
from reconciler.notify.forges import forge_of
from reconciler.notify.lane import Job, Lane
from reconciler.notify.remembered import remembered_from
from reconciler.notify.request import Answer, open_session
from reconciler.notify.rules import Message, Told, failure_after, news_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import ClientSession

    from reconciler.notify.forges import Forge
    from reconciler.notify.marks import State
    from reconciler.notify.remembered import Json, Remembered
    from reconciler.notify.rules import Occasion
    from schemas.loop import Loop, Notification, Secret

log = logging.getLogger(__name__)

COMMIT_STATUS = "commit_status"


class Result(StrEnum):
    """What became of one message or mark."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    LIMITED = "limited"
    DROPPED = "dropped"


_AGAIN = (Result.FAILED, Result.LIMITED, Result.DROPPED)
"""What is due again at the next pass. What was refused would be refused again."""


class Teller:
    """Tells people and marks commits, as the loop file says. Nothing it is asked for waits, or raises.

    What it must know from pass to pass it hands back as JSON; the caller keeps it with the environment, so that a
    restart or another replica goes on from there. What could not be delivered is due again at the next pass of this
    process. ``reveal`` reads a secret anew at each use. ``on_result`` hears the type (``slack``, ``teams``,
    ``webhook``, ``commit_status``) and the result of each delivery.
    """

    def __init__(
        self,
        loop: Loop,
        reveal: Callable[[Secret], str],
        on_result: Callable[[str, str], None] = lambda _kind, _result: None,
        *,
        pause_s: float = 1.0,
    ) -> None:
        """Look at every secret once. Raises UsageError for one that is missing or cannot be what it is for."""
        self._loop = loop
        self._reveal = reveal
        self._on_result = on_result
        self._pause_s = pause_s
        self._session: ClientSession | None = None
        self._targets = _targets(loop.notifications)
        self._lanes = {target: Lane() for target in (*self._targets, COMMIT_STATUS)}
        self._untold: dict[tuple[str, str], Told] = {}
        self._unmarked: set[tuple[str, str]] = set()
        self._limited_until_s = 0.0
        for notification in loop.notifications:
            channels.check_address(notification.type, reveal(notification.url))
        if loop.commit_status is not None:
            self._forge()

    def tell(self, occasion: Occasion, remembered: object, now_s: float) -> Json:
        """Tell whom it concerns of a pass, mark its commit, and return what to remember. Needs a running event loop.

        ``remembered`` is what the last call for this environment returned, whoever made it; None at first.
        """
        known = remembered_from(remembered)
        failure = failure_after(known.failure, occasion, now_s)
        told = dict(known.told)
        for target, notification in self._targets.items():
            if notification.environments and occasion.environment not in notification.environments:
                continue
            key = (occasion.environment, target)
            before = self._untold.pop(key, told.get(target, Told()))
            news, told[target] = news_for(before, occasion, failure, notification.remind_after_s, now_s)
            if news is not None:
                began = failure or known.failure
                self._send(target, notification, Message(news, occasion, began.since_s if began else None), before)
        known = replace(
            known, failure=failure, told={target: told[target] for target in told if target in self._targets}
        )
        if failure is None:
            known = self._mark(known, occasion.environment, occasion.revision, "success", occasion.reason)
        elif not occasion.transient or failure.lasts(now_s):
            state: State = "error" if occasion.transient else "failure"
            text = f"{occasion.reason}: {occasion.message}" if occasion.message else occasion.reason
            known = self._mark(known, occasion.environment, occasion.revision, state, text)
        return known.to_json()

    def mark_pending(self, environment: str, revision: str, remembered: object) -> Json:
        """Mark a commit that work begins on, unless it has a mark, and return what to remember."""
        known = remembered_from(remembered)
        return self._mark(known, environment, revision, "pending", "being reconciled").to_json()

    async def close(self, within_s: float = 5.0) -> None:
        """Deliver what waits, for so long at most, and drop the rest."""
        end_s = time.monotonic() + within_s
        for lane in self._lanes.values():
            await lane.close(max(0.0, end_s - time.monotonic()))
        if self._session is not None:
            await self._session.close()

    # -- messages ------------------------------------------------------------------------------------------------------

    def _send(self, target: str, notification: Notification, message: Message, before: Told) -> None:
        kind, environment = notification.type, message.occasion.environment

        async def send() -> Answer:
            url = self._reveal(notification.url)
            return await channels.send(self._open(), kind, url, message, pause_s=self._pause_s)

        def ended(result: Result) -> None:
            if result in _AGAIN:
                self._untold[environment, target] = before
            else:
                self._untold.pop((environment, target), None)

        self._put(target, kind, environment, send, ended)

    # -- marks ---------------------------------------------------------------------------------------------------------

    def _mark(self, known: Remembered, environment: str, revision: str, state: State, text: str) -> Remembered:
        if self._loop.commit_status is None:
            return known
        self._unmarked = {key for key in self._unmarked if key[0] != environment or key[1] == revision}
        lost = state != "pending" and (environment, revision) in self._unmarked
        if not marks.due(() if lost else known.marks, revision, state):
            return known

        async def send() -> Answer:
            if time.time() < self._limited_until_s:
                return Answer(429, cause="the rate limit of before")
            forge = self._forge()
            answer = await commit_status.mark(
                self._open(), forge, environment, revision, state, text, pause_s=self._pause_s
            )
            if answer.limited:
                self._limited_until_s = time.time() + commit_status.limit_lasts_s(answer)
            return replace(answer, status=200) if commit_status.already_so(forge, answer) else answer

        def ended(result: Result) -> None:
            if result in _AGAIN:
                self._unmarked.add((environment, revision))
            else:
                self._unmarked.discard((environment, revision))

        self._put(COMMIT_STATUS, COMMIT_STATUS, environment, send, ended)
        return replace(known, marks=marks.marked(known.marks, revision, state))

    def _forge(self) -> Forge:
        settings = self._loop.commit_status
        if settings is None:
            raise UsageError("the loop file has no commit_status")
        return forge_of(settings.forge, settings.repository, self._reveal(settings.token), settings.api_url)

    # -- both ----------------------------------------------------------------------------------------------------------

    def _put(
        self,
        lane: str,
        kind: str,
        environment: str,
        send: Callable[[], Awaitable[Answer]],
        ended: Callable[[Result], None],
    ) -> None:
        def end(result: Result, cause: str) -> None:
            ended(result)
            if result is not Result.DELIVERED:
                log.warning("not delivered", extra={"type": kind, "environment": environment, "cause": cause})
            self._on_result(kind, result.value)

        async def do() -> None:
            try:
                answer = await send()
            except UsageError as error:
                answer = Answer(0, cause=str(error))
            except Exception as error:  # noqa: BLE001 - telling must not end the loop; the text may hold the address
                answer = Answer(0, cause=f"unexpected {type(error).__name__}")
            end(_result(answer), str(answer))

        self._lanes[lane].put(Job(do, lambda: end(Result.DROPPED, "too much to tell, or too little time left")))

    def _open(self) -> ClientSession:
        if self._session is None:
            self._session = open_session()
        return self._session


def _result(answer: Answer) -> Result:
    if answer.ok:
        return Result.DELIVERED
    if answer.limited:
        return Result.LIMITED
    return Result.FAILED if answer.transient else Result.REFUSED


def _targets(notifications: tuple[Notification, ...]) -> dict[str, Notification]:
    """Notifications by a name that stays when others come and go: what the address is called, not what it is."""
    targets: dict[str, Notification] = {}
    for notification in notifications:
        url = notification.url
        name = f"{notification.type}:{'file' if url.env is None else 'env'}:{url.env or url.file}"
        same = sum(one == name or one.startswith(f"{name}#") for one in targets)
        targets[f"{name}#{same + 1}" if same else name] = notification
    return targets
