"""What the loop says of an environment, as ``status`` shows it above the resources, and what stands there without them.

It is shown first and whatever happens next: it matters most when Azure or the manifests cannot be read. Pure; the
time comes from the caller, in Unix seconds.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciler.errors import ManifestError
from reconciler.render import printable

if TYPE_CHECKING:
    from reconciler.cli.remembered import Remembered
    from reconciler.errors import Problem

_OVERDUE_S = 60


def short(revision: str) -> str:
    """A revision as a table shows it."""
    commit, dirty, _ = revision.partition("-dirty")
    return commit[:12] + dirty


def age(seconds: float) -> str:
    """A time span as a person says it, coarse: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def because(reason: str, message: str) -> str:
    """Reason and message as one text: ``Suspended: incident 4711``, also when the message begins with the reason."""
    if message.casefold().startswith(reason.casefold()):
        message = message[len(reason) :].lstrip(": ")
    return ": ".join(printable(text) for text in (reason, message) if text)


def loop_json(loop: Remembered | None, now_s: float) -> dict[str, Any] | None:
    """The head as JSON; None when nothing is known of a loop. Instants are ISO 8601, UTC."""
    if loop is None:
        return None
    memory = loop.memory
    return {
        "conditions": [asdict(condition) for condition in memory.conditions],
        "revision": memory.revision,
        "applied_revision": memory.applied_revision,
        "passed_at": _instant(memory.passed_at),
        "passed_s_ago": round(now_s - memory.passed_at, 1) if memory.passed_at else None,
        "next_pass_at": _instant(memory.due_at),
        "failures": memory.failures,
        "holder": loop.holder,
    }


def loop_text(loop: Remembered | None, now_s: float, *, colour: bool) -> str:
    """The head as text, with an empty line below; empty when nothing is known of a loop."""
    if loop is None or not (loop.memory.conditions or loop.memory.passed_at or loop.holder):
        return ""
    memory = loop.memory
    lines, said_before = [], ""
    for condition in memory.conditions:
        bad = condition.status is not (condition.type == "Ready") and condition.type != "Reconciling"
        line = f"{condition.type:<12} {condition.status!s:<6}"
        line = f"\x1b[{'31' if bad else '32'}m{line}\x1b[0m" if colour and condition.type != "Reconciling" else line
        said = because(condition.reason, condition.message)
        line += f" {said}" if said != said_before else ""
        lines.append(f"{line}{f'  (since {condition.since})' if condition.since else ''}")
        said_before = said
    passed = f"Last pass {age(now_s - memory.passed_at)} ago" if memory.passed_at else "No pass has ended yet"
    at = f" at revision {short(memory.revision)}" if memory.revision else ""
    held = f"; {printable(loop.holder)} works on it now" if loop.holder else ""
    return "\n".join([*lines, f"{passed}{at}{held or _next(memory.due_at, now_s)}.", "", ""])


def _next(due_at: float, now_s: float) -> str:
    left_s = due_at - now_s
    if not due_at:
        return ""
    if left_s > 0:
        return f"; next pass in {age(left_s)}"
    late = f", due for {age(-left_s)} (is a loop running?)" if -left_s > _OVERDUE_S else ""
    return f"; next pass now{late}"


def error_json(error: Problem) -> dict[str, Any]:
    """What kept a command from its answer; all findings of wrong manifests."""
    findings = error.findings if isinstance(error, ManifestError) else ()
    return {
        "type": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code,
        "findings": [
            {
                "rule": finding.rule,
                "severity": str(finding.severity),
                "resource": finding.resource,
                "position": str(finding.position),
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }


def _instant(unix_s: float) -> str | None:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds") if unix_s else None
