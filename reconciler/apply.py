"""Do what the plan says: each action once, after all it needs, several at a time, with one truthful outcome each."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from reconciler.domain import Outcome, Ref, Report, Result, Verb
from reconciler.errors import ArmError, Busy, Conflict, LeaseLost, NotFound, PlanRefused, Superseded
from reconciler.kinds import KINDS
from reconciler.kinds.kind import arm_path, get
from reconciler.plan.decide import BROKEN, GONE, MOVING, fingerprint, state_of
from reconciler.plan.diff import diff
from reconciler.plan.ownership import OWNER, SPEC, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.arm.client import Arm
    from reconciler.domain import Action, Body, Plan

log = logging.getLogger(__name__)

LOG_TAIL_LINES = 30
TRAFFIC_SEEN_WITHIN_POLLS = 60
BUSY_RETRIES = 3
PLAN_AGAIN = ("ChangedSincePlan", "SourceChanged", "TrafficNotSeen")
"""Codes of failures that another plan mends without another commit; so does one for what is gone meanwhile."""

_DONE = {
    Verb.CREATE: Result.CREATED,
    Verb.UPDATE: Result.UPDATED,
    Verb.REPLACE: Result.REPLACED,
    Verb.DELETE: Result.DELETED,
    Verb.ADOPT: Result.ADOPTED,
}


class Registers(Protocol):
    """Uploads and registers the asset of a create."""

    async def register(self, action: Action) -> Body:
        """Return the asset as it is live. Raises ArmError."""


class Progress(Protocol):
    """Hears of every action as it starts and ends."""

    def started(self, action: Action) -> None:
        """The action's first request is about to be sent."""

    def ended(self, outcome: Outcome) -> None:
        """Nothing more will happen for this action."""


class Applying:
    """One apply of one plan. ``stop`` asks for an end at the next safe point: what runs is finished, nothing starts."""

    def __init__(self, plan: Plan, arm: Arm, uploader: Registers, progress: Progress, *, workers: int) -> None:
        if plan.refusals:
            raise PlanRefused(plan.refusals)
        self._plan = plan
        self._arm = arm
        self._uploader = uploader
        self._progress = progress
        self._gate = asyncio.Semaphore(workers)
        self._stopping = False
        self._outcomes: list[Outcome] = []
        self._tasks: dict[Ref, asyncio.Task[Outcome]] = {}
        self._began: dict[Ref, float] = {}
        self._written: dict[Ref, str] = {}

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping = True

    def leave(self) -> None:
        """Start nothing more, and wait for nothing more: end as soon as no request is under way."""
        self._stopping = True
        self._arm.leave()

    async def run(self) -> Report:
        """Run to the end, or to the safe point. Cancelling it cancels the waits; the report still tells all."""
        loop = asyncio.get_running_loop()
        for action in self._plan.actions:  # In order: what an action needs has its task already.
            self._tasks[action.ref] = loop.create_task(self._outcome_of(action), name=str(action.ref))
        try:
            await asyncio.gather(*self._tasks.values())
        except asyncio.CancelledError:
            self._stopping = True
            for task in self._tasks.values():
                task.cancel()
            await asyncio.wait(self._tasks.values())
        return Report(self._plan, tuple(self._outcomes))

    async def _outcome_of(self, action: Action) -> Outcome:
        try:
            outcome = await self._attempt(action)
        except asyncio.CancelledError:
            began = action.ref in self._began
            why = "interrupted; what Azure accepted goes on there" if began else "not started: interrupted"
            outcome = Outcome(action.ref, action.verb, Result.INTERRUPTED, why)
        except (Superseded, LeaseLost) as error:
            self._stopping = True
            outcome = Outcome(action.ref, action.verb, Result.INTERRUPTED, str(error), type(error).__name__)
        except PlanRefused as error:
            outcome = Outcome(action.ref, action.verb, Result.FAILED, str(error), code="RefusedOnTheWire")
        except ArmError as error:
            failed = Outcome(action.ref, action.verb, Result.FAILED, error.message, error.code, error.request_id)
            passes = error.transient or error.code in PLAN_AGAIN or isinstance(error, NotFound)
            outcome = replace(failed, log_tail=await self._log_tail(action), transient=passes)
        except Exception as error:
            # One action that breaks in a way nobody foresaw must not take the truth about the others with it.
            log.exception("unexpected error", extra={"resource": str(action.ref)})
            outcome = Outcome(action.ref, action.verb, Result.FAILED, str(error), type(error).__name__)
        if began_at := self._began.get(action.ref):
            outcome = replace(outcome, seconds=asyncio.get_running_loop().time() - began_at)
        self._outcomes.append(outcome)
        self._progress.ended(outcome)
        return outcome

    async def _attempt(self, action: Action) -> Outcome:
        for need in action.needs:
            if need in self._tasks:
                # Shielded: when this action is cancelled, the one it waits for still ends in its own way.
                before = await asyncio.shield(self._tasks[need])
                if before.result is not _DONE[before.verb]:
                    return Outcome(action.ref, action.verb, Result.SKIPPED, f"{need} {before.result}")
        async with self._gate:
            if self._stopping:
                return Outcome(action.ref, action.verb, Result.INTERRUPTED, "not started: asked to stop")
            self._began[action.ref] = asyncio.get_running_loop().time()
            self._progress.started(action)
            log.debug("action started", extra={"verb": str(action.verb), "resource": str(action.ref)})
            await self._live_needs(action)
            if action.ref.kind == "traffic" and (written := self._written.get(Ref("endpoint", action.ref.name))):
                action = replace(action, expects=written)
            body = await perform(action, self._arm, self._uploader)
            if action.ref.kind == "endpoint" and body is not None:
                self._written[action.ref] = fingerprint(KINDS["endpoint"], body)
        return Outcome(action.ref, action.verb, _DONE[action.verb])

    async def _live_needs(self, action: Action) -> None:
        """What is needed but not part of this plan must have succeeded, whoever made it."""
        if action.verb is Verb.DELETE:
            return
        for need in action.needs:
            if need not in self._tasks and need.kind in ("endpoint", "deployment"):
                body = await self._arm.wait_while(arm_path(need), *MOVING)
                if body is None or (state_of(body) != "succeeded" and need.kind == "deployment"):
                    is_ = "gone" if body is None else state_of(body)
                    raise Conflict(f"needs {need}, which is {is_}; plan again", code="ChangedSincePlan")

    async def _log_tail(self, action: Action) -> str:
        """The container's last lines. The failure is what counts: a log that cannot be had is left out."""
        if action.ref.kind != "deployment" or action.verb is Verb.DELETE:
            return ""
        question = {"containerType": "InferenceServer", "tail": LOG_TAIL_LINES}
        try:
            answer = await self._arm.post(f"{arm_path(action.ref)}/getLogs", question)
        except (ArmError, LeaseLost, asyncio.CancelledError) as error:
            log.debug("no container log", extra={"resource": str(action.ref), "error": str(error)})
            return ""
        return str(answer.get("content") or "").strip()


async def settled(refs: Sequence[Ref], arm: Arm) -> None:
    """Wait for what Azure was working on when the plan was made. Raises Conflict when it did not succeed."""
    for ref in refs:
        body = await arm.wait_while(arm_path(ref), *MOVING)
        if body is None or state_of(body) != "succeeded":
            raise Conflict(f"{ref}, which an earlier run left in progress, is {state_of(body) if body else 'gone'}")


async def perform(action: Action, arm: Arm, uploader: Registers) -> Body | None:
    """Carry out one action on what is live now, and return what was written.

    When another operation holds the resource it is let pass, a few times; then live is looked at anew, since it was
    somebody else's operation. Raises Conflict when live is not what the plan was made on.
    """
    for _ in range(BUSY_RETRIES):
        try:
            return await _once(action, arm, uploader)
        except Busy as busy:
            log.info("busy", extra={"resource": str(action.ref), "reason": busy.message})
            await arm.pause(arm.connection.busy_wait_s)
    return await _once(action, arm, uploader)


async def _once(action: Action, arm: Arm, uploader: Registers) -> Body | None:
    path = arm_path(action.ref)
    if action.verb is Verb.CREATE:
        return await _create(action, arm, uploader, path)
    live = await arm.wait_while(path, *MOVING)
    if live is None and action.verb is Verb.DELETE:
        return None
    if live is None and action.verb is Verb.REPLACE:  # An attempt before this one came as far as the deletion.
        return await _write(action, arm, path)
    if live is None or state_of(live) in GONE:
        raise NotFound("was deleted since the plan was made; plan again", status=404)
    kind = KINDS["endpoint" if action.ref.kind == "traffic" else action.ref.kind]
    if action.expects is not None and fingerprint(kind, live) != action.expects:
        raise Conflict("changed since the plan was made; plan again", code="ChangedSincePlan")
    if action.method == "DELETE":
        await _delete(action, arm, path)
        return None
    if action.verb is Verb.REPLACE:
        await arm.delete(path)
    return await _write(action, arm, path)


async def _delete(action: Action, arm: Arm, path: str) -> None:
    """Deleting an endpoint takes its deployments along, so one that came since the plan was made stops it."""
    if action.ref.kind == "endpoint":
        planned = {child.part for child in action.children}
        new = [body["name"] for body in await arm.list(f"{path}/deployments") if body["name"].lower() not in planned]
        if new:
            raise Conflict(f"would take {', '.join(new)} along, new since the plan was made", code="ChangedSincePlan")
    await arm.delete(path)


async def _create(action: Action, arm: Arm, uploader: Registers, path: str) -> Body:
    existing = await arm.wait_while(path, *GONE)
    if existing is not None and _made_by_us(action, existing):
        return existing
    if existing is not None:
        raise Conflict("exists by now; plan again", code="ChangedSincePlan")
    return await (_write(action, arm, path) if action.upload is None else uploader.register(action))


def _made_by_us(action: Action, existing: Body) -> bool:
    """Whether an asset is there since a run that died had still begun to register it: same owner, same content."""
    kind, body = KINDS[action.ref.kind], action.body or {}
    if action.ref.kind == "code":
        digest = "properties.properties.hash_sha256"
        return bool(get(existing, digest)) and get(existing, digest) == get(body, digest)
    ours, theirs = tags_of(kind, body), tags_of(kind, existing)
    return action.upload is not None and all(theirs.get(mark) == ours.get(mark) for mark in (OWNER, SPEC))


async def _write(action: Action, arm: Arm, path: str) -> Body:
    body = action.body or {}
    written = await (arm.patch(path, body) if action.method == "PATCH" else arm.put(path, body))
    if state_of(written) in BROKEN:
        raise ArmError(f"Azure ended with provisioningState {state_of(written).capitalize()}", code="NotSucceeded")
    if action.ref.kind == "traffic":
        await _seen(action, arm, path, written)
    return written


async def _seen(action: Action, arm: Arm, path: str, written: Body) -> None:
    """Traffic can be seen late, after the operation has ended (Azure/azure-dev#3881): look until it is there."""
    wanted: Mapping[str, object] = (action.body or {}).get("properties", {})
    desired = {"properties": {key: wanted[key] for key in ("traffic", "mirrorTraffic") if key in wanted}}
    for _ in range(TRAFFIC_SEEN_WITHIN_POLLS):
        if not diff(KINDS["traffic"], desired, written):
            return
        await arm.pause(arm.connection.poll_interval_s)
        written = await arm.get(path) or {}
    raise ArmError("Azure accepted the traffic but does not show it", code="TrafficNotSeen")
