"""The verdict in one sentence: what somebody on call reads first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.domain import Verb
from reconciler.plan.decide import state_of
from reconciler.plan.said import Sync

if TYPE_CHECKING:
    from reconciler.domain import Body
    from reconciler.explain.explanation import Explanation

_DOES: Final = {
    Verb.CREATE: "creates it",
    Verb.UPDATE: "updates it",
    Verb.REPLACE: "deletes it and creates it again",
    Verb.DELETE: "deletes it",
    Verb.ADOPT: "takes it over",
}
_NOUN: Final = {
    Verb.CREATE: "creation",
    Verb.UPDATE: "update",
    Verb.REPLACE: "replacement",
    Verb.DELETE: "deletion",
    Verb.ADOPT: "adoption",
}


def declared(facts: Explanation, live: Body | None) -> str:
    """About a resource that the manifests have."""
    said, ref = facts.said, facts.ref
    if facts.sync == Sync.IN_SYNC:
        return f"{ref} is in sync: {_agreement(facts)}{_still(facts, live)}."
    if facts.sync == Sync.NOT_EVALUATED:
        return f"Nothing is said of {ref}: it is outside of --select."
    if facts.sync == Sync.REFUSED:
        return f"{ref} cannot be brought in sync: {said.refusals[0].message}."
    if facts.sync == Sync.UNKNOWN:
        return f"{ref} is in no part of the plan; please report this."
    return f"{ref} {_difference(facts, live)}{_plans(facts)}"


def _agreement(facts: Explanation) -> str:
    if facts.ref.kind == "code":
        return "a code version is its content, and this version exists"
    decided = sum(row.classes[0] in ("manifest", "documented default", "derived") for row in facts.fields)
    ignored = sum(row.classes[0] == "ignored" for row in facts.fields)
    apart = f"; {_fields(ignored)} ignored" if ignored else ""
    others = "" if facts.ours or facts.ref.kind == "traffic" else "; somebody else registered this very content"
    return f"{_fields(decided)} decided here, and live agrees with each{apart}{others}"


def _still(facts: Explanation, live: Body | None) -> str:
    if live is None or facts.health == "Ready":
        return ""
    return f". Azure says it is {state_of(live).capitalize()}"


def _difference(facts: Explanation, live: Body | None) -> str:
    if facts.sync == Sync.DRIFT:
        return f"drifted: {_fields(len(facts.differing))} {_was(facts)} changed outside Git"
    if live is None:
        missing = "its endpoint is not in the workspace" if facts.ref.kind == "traffic" else "not in the workspace"
        return f"is out of sync: {missing} yet"
    if facts.differing:
        verb = "differ" if len(facts.differing) > 1 else "differs"
        since = f", {facts.said.action.reason}" if facts.said.action else ""
        return f"is out of sync: {_fields(len(facts.differing))} {verb}{since}"
    return f"is out of sync: {facts.causes[0] if facts.causes else 'for no cause that is known; please report this'}"


def _plans(facts: Explanation) -> str:
    said = facts.said
    if said.held:
        return f". The {_NOUN[said.held.verb]} is held back: {said.held.reason}."
    if said.action:
        return f". The plan {_DOES[said.action.verb]}{', but the plan is refused' if facts.blocked else ''}."
    if said.drift and not said.drift.healed:
        return ". It is reported only, as `drift: report` says."
    return "."


def _fields(number: int) -> str:
    return f"{number} field{'s' * (number != 1)}"


def _was(facts: Explanation) -> str:
    return "was" if len(facts.differing) == 1 else "were"


def undeclared(facts: Explanation) -> str:
    """About a resource that is live and in no manifest."""
    said, ref = facts.said, facts.ref
    begin = f"{ref} is live and in no manifest of this environment"
    if said.refusals:
        return f"{begin}. It cannot go: {said.refusals[0].message}."
    if said.held:
        return f"{begin}. Its {_NOUN[said.held.verb]} is held back: {said.held.reason}."
    if said.action:
        return f"{begin}. The plan {_DOES[said.action.verb]}: {said.action.reason}."
    if said.taken_along_by:
        return f"{begin}. The plan deletes {said.taken_along_by}, and it goes along."
    if facts.ours:
        why = next((warn.message for warn in said.warnings if warn.rule in ("protected", "unpruned", "in-use")), "")
        return f"{begin}. It is ours{': it ' + why if why else ', and stays'}."
    whose = f"It belongs to {facts.owner}" if facts.owner else "Nobody marked it as managed"
    return f"{begin}. {whose}: nothing is done to it."
