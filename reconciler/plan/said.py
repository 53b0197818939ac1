"""How a plan sees each resource: in sync or not, and every cause. Pure.

One answer feeds ``status`` and ``explain``, so they cannot disagree with the plan or with each other. What is not
in sync always has a cause: a field that differs, or a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.domain import Verb
from reconciler.plan.decide import BROKEN, GONE, MOVING, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import Action, Body, Change, Drift, Held, Plan, Ref, Refusal, Warn


class Sync(StrEnum):
    """Whether live is what the manifests say."""

    IN_SYNC = "InSync"
    OUT_OF_SYNC = "OutOfSync"
    DRIFT = "Drift"
    REFUSED = "Refused"
    NOT_EVALUATED = "NotEvaluated"
    UNKNOWN = "Unknown"


@dataclass(slots=True)
class Said:
    """All that a plan says of one resource. ``taken_along_by`` is the deletion of its endpoint."""

    action: Action | None = None
    drift: Drift | None = None
    held: Held | None = None
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    unchanged: bool = False
    not_evaluated: bool = False
    taken_along_by: Ref | None = None

    @property
    def sync(self) -> Sync:
        """The one word."""
        if self.refusals:
            return Sync.REFUSED
        if self.drift:
            return Sync.DRIFT
        if self.action or self.held or self.taken_along_by or any(warn.rule == "held" for warn in self.warnings):
            return Sync.OUT_OF_SYNC
        if self.not_evaluated:
            return Sync.NOT_EVALUATED
        return Sync.IN_SYNC if self.unchanged else Sync.UNKNOWN

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields that the plan says differ."""
        return self.action.changes if self.action else self.drift.changes if self.drift else ()

    @property
    def causes(self) -> tuple[str, ...]:
        """Why it is not in sync, as sentences; empty when it is."""
        said = [refusal.message for refusal in self.refusals]
        if self.action:
            said.append(f"{self.action.verb}: {self.action.reason}")
        if self.taken_along_by:
            said.append(f"{Verb.DELETE}: goes along with {self.taken_along_by}")
        if self.held:
            said.append(f"{self.held.verb} held back: {self.held.reason}")
        elif self.drift and not self.drift.healed:
            said.append("changed outside Git; reported only (drift: report)")
        said += [warn.message for warn in self.warnings if warn.rule == "held"]
        if self.sync is Sync.NOT_EVALUATED:
            said.append("not evaluated (--select)")
        if self.sync is Sync.UNKNOWN:
            said.append("the plan says nothing of it")
        return tuple(said)


def said_of_each(plan: Plan) -> Mapping[str, Said]:
    """What the plan says of each resource it names, by name; of any other, that it says nothing."""
    found: defaultdict[str, Said] = defaultdict(Said)
    for action in plan.actions:
        found[str(action.ref)].action = action
        for child in action.children:
            found[str(child)].taken_along_by = action.ref
    for drift in plan.drift:
        found[str(drift.ref)].drift = drift
    for held in plan.held:
        found[str(held.ref)].held = held
    for refusal in plan.refusals:
        found[refusal.resource].refusals.append(refusal)
    for warning in plan.warnings:
        found[warning.resource].warnings.append(warning)
    for ref in plan.unchanged:
        found[str(ref)].unchanged = True
    for ref in plan.not_evaluated:
        found[str(ref)].not_evaluated = True
    return found


_PROGRESSING = (*MOVING, *GONE)


def health_of(body: Body | None) -> str:
    """Health of a live body: what its provisioning state means to somebody on call."""
    if body is None:
        return "Missing"
    state = state_of(body)
    if state == "succeeded":
        return "Ready"
    if state in _PROGRESSING:
        return "Progressing"
    return "Failed" if state in BROKEN else "Unknown"
