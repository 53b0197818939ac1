"""How single values, changes and sums are said, in every form of output. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from reconciler.domain import Verb
from reconciler.kinds.forms import asset_id, storage_uri

if TYPE_CHECKING:
    from reconciler.domain import Change, Drift, Held, Plan

SENSITIVE: Final = "(sensitive)"
NONE: Final = "(none)"
WIDEST_VALUE = 100
SIGN = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.REPLACE: "-/+", Verb.DELETE: "-", Verb.ADOPT: "@"}
NOT_EVALUATED: Final = "not evaluated (--select)"


def value_text(value: Any, widest: int = WIDEST_VALUE) -> str:
    """One value on one line: strings bare when that is unambiguous, asset ids and storage short, the rest as JSON.

    What is longer than ``widest`` characters is cut.
    """
    if isinstance(value, str):
        short = _unpacked(storage_uri(asset_id(value)))
        plain = short.isprintable() and short == short.strip() and short not in ("", "null", "true", "false")
        text = short if plain else json.dumps(value)
    else:
        text = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return text if len(text) <= widest else text[: widest - 1] + "…"


def _unpacked(text: str) -> str:
    """JSON that travels as indented text, such as a conda file, on one line."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def shown(value: Any, *, sensitive: bool, widest: int = WIDEST_VALUE) -> str:
    """One value of a field, or that there is none, or that it is a secret."""
    return NONE if value is None else SENSITIVE if sensitive else value_text(value, widest)


def before_after(change: Change, widest: int = WIDEST_VALUE) -> tuple[str, str]:
    """Both sides of a change."""
    return (
        shown(change.before, sensitive=change.sensitive, widest=widest),
        shown(change.after, sensitive=change.sensitive, widest=widest),
    )


def summary(plan: Plan) -> dict[str, int]:
    """How many resources meet each verb, and how many stay as they are."""
    counts = {verb.value: sum(action.verb is verb for action in plan.actions) for verb in Verb}
    return {**counts, "unchanged": len(plan.unchanged)}


def summary_line(plan: Plan) -> str:
    """The last line of a plan."""
    counts = summary(plan)
    apart = [f"{len(plan.held)} held back"] if plan.held else []
    apart += [f"{len(plan.not_evaluated)} {NOT_EVALUATED}"] if plan.not_evaluated else []
    if plan.actions:
        wanted = ", ".join(f"{counts[verb.value]} to {verb.value}" for verb in Verb if counts[verb.value])
        return "; ".join([f"Plan: {wanted}", f"{counts['unchanged']} unchanged", *apart]) + "."
    held = {entry.ref for entry in plan.held}
    drifted = sum(not drift.healed and drift.ref not in held for drift in plan.drift)
    apart = [f"{drifted} drifted, reported only"] * bool(drifted) + apart
    said = f"Nothing to do: {counts['unchanged']} resources are what the manifests say"
    return "; ".join([said, *apart]) + "."


def held_line(held: Held) -> str:
    """An action that is due and is not taken, and why."""
    return f"{held.ref} {held.verb}: {printable(held.reason)}"


def reported(plan: Plan) -> list[tuple[Drift, str]]:
    """Drift that this plan does not heal, with the reason."""
    held = {entry.ref: f"held back: {entry.reason}" for entry in plan.held}
    return [(d, held.get(d.ref, "reported only (drift: report)")) for d in plan.drift if not d.healed]


def printable(text: str) -> str:
    """Text of Azure, files or other people, with nothing in it that could move the cursor or break the line."""
    return "".join(character if character.isprintable() else " " for character in text)
