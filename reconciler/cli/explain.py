"""``aml-gitops explain``"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.head import error_json, loop_json, loop_text
from reconciler.cli.ordered import ordered
from reconciler.cli.place import project_root, session, wanted_of
from reconciler.cli.remembered import remembered
from reconciler.errors import Problem, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.arm.client import Arm
    from reconciler.cli.remembered import Remembered
    from reconciler.domain import Position, Ref, Resource
    from reconciler.explain import Explanation, FieldState
    from reconciler.manifest import Manifest
    from reconciler.sync import Proposed, Wanted


def run(options: argparse.Namespace) -> int:
    """Print why one resource is as it is; when no plan can be made of it, what the loop knows of it."""
    root = project_root(options)
    loop = remembered(options, root)
    try:
        found, wanted = _explained(options, root, loop)
    except UsageError:
        raise
    except Problem as error:
        _unexplained(options, loop, error)
        raise
    last_error = loop.errors.get(str(found.ref), "") if loop else ""
    if options.output == "json":
        output.show_json(_json(found, wanted, last_error))
    else:
        output.show(_text(found, wanted, last_error, colour=output.coloured(sys.stdout)))
    return 0


def _unexplained(options: argparse.Namespace, loop: Remembered | None, error: Problem) -> None:
    """Print what is known without a plan."""
    from reconciler.render.values import printable

    ref = _ref(options.resource)
    name = str(ref) if ref else options.resource
    last_error = loop.errors.get(name, "") if loop else ""
    if options.output == "json":
        document = {"version": 1, "resource": name, "environment": options.environment, "last_error": last_error}
        output.show_json(document | {"loop": loop_json(loop, time.time()), "error": error_json(error)})
        return
    output.show(loop_text(loop, time.time(), colour=output.coloured(sys.stdout)))
    output.show(f"{name} failed last: {printable(last_error)}\n" if last_error else "")
    sys.stdout.flush()


def _explained(options: argparse.Namespace, root: Path, loop: Remembered | None) -> tuple[Explanation, Wanted]:
    """The explanation, and what it was made of. Raises UsageError for a name of nothing; what the line raises."""
    from reconciler.explain import explain, names
    from reconciler.naming import nearest

    wanted, connection = wanted_of(options, root)
    wanted = ordered(wanted, loop.orders if loop else {})
    ref = _ref(options.resource)

    async def work(arm: Arm) -> Proposed:
        from reconciler.sync import propose

        return await _with_asset(ref, await propose(wanted, arm), arm)

    proposed = session(connection, work)
    resource = next((resource for resource in wanted.resources if resource.ref == ref), None)
    written = _written(resource, root, options.environment)
    found = explain(ref, wanted.resources, proposed.live, proposed.plan, written) if ref else None
    if found is None:
        near = nearest(options.resource, names(wanted.resources, proposed.live))
        raise UsageError(f"{options.resource} is neither declared nor live in {options.environment}{near}")
    return found, wanted


def _ref(text: str) -> Ref | None:
    """The resource that a name of the command line means; None when it is no name of a resource."""
    from reconciler.domain import Ref
    from reconciler.kinds import KINDS

    kind, _, rest = text.partition("/")
    name, _, part = rest.partition("/" if kind == "deployment" else ":")
    known = next((known for known in KINDS if known == kind), None)
    whole = bool(name) and bool(part) is (kind in ("deployment", "code", "model", "environment"))
    if known is None or not whole:
        return None
    served = known in ("endpoint", "deployment", "traffic")
    return Ref(known, name.lower() if served else name, part.lower() if served else part)


async def _with_asset(ref: Ref | None, proposed: Proposed, arm: Arm) -> Proposed:
    """A version that no manifest names was not read: without prune, nothing else needs to know of it."""
    from dataclasses import replace

    from reconciler.domain import Live
    from reconciler.kinds.kind import ASSET_CONTAINERS, arm_path

    if ref is None or ref.kind not in ASSET_CONTAINERS or ref in proposed.live.resources:
        return proposed
    body = await arm.get(arm_path(ref))
    if body is None:
        return proposed
    return replace(proposed, live=Live(proposed.live.workspace, {**proposed.live.resources, ref: body}))


def _written(resource: Resource | None, root: Path, environment: str) -> Callable[[str], Position | None]:
    """Where the manifest keys of a resource were written, overlays and defaults included."""
    from reconciler.sync import check

    def nowhere(_: str) -> Position | None:
        return None

    if resource is None:
        return nowhere
    for manifest in check(root, environment).manifests:
        pointer = _pointer(resource, manifest)
        if pointer is not None:
            origin = manifest.document.origin
            return lambda key: origin.get((*pointer, *key.split("."))) if key else None
    return nowhere


def _pointer(resource: Resource, manifest: Manifest) -> tuple[str, ...] | None:
    """Where in the manifest the resource stands; None when it is another's."""
    kind, document, position = resource.ref.kind, manifest.document, resource.position
    if kind == "traffic" and manifest.kind == "endpoint":
        return () if document.data["name"].lower() == resource.ref.name else None
    if kind == manifest.kind and document.at() == position:
        return ()
    inline = {"code": ("code_configuration", "code")}.get(kind, (kind,))
    if manifest.kind == "deployment" and kind != "deployment" and inline in document.origin:
        return inline if document.at(*inline) == position else None
    return None


def _shown(row: FieldState, value: Any) -> Any:
    from reconciler.render.values import SENSITIVE

    return SENSITIVE if row.sensitive and value is not None else value


def _json(found: Explanation, wanted: Wanted, error: str) -> dict[str, Any]:
    action, held = found.said.action, found.said.held
    return {
        "version": 1,
        "resource": str(found.ref),
        "environment": wanted.intent.environment,
        "sync": found.sync,
        "health": found.health,
        "verdict": found.verdict,
        "causes": list(found.causes),
        "position": str(found.position) if found.position else None,
        "plan": {
            "verb": str(action.verb) if action else None,
            "method": action.method if action else None,
            "reason": action.reason if action else "",
            "needs": [str(need) for need in action.needs] if action else [],
            "held": {"verb": str(held.verb), "reason": held.reason} if held else None,
            "refusals": [
                {"rule": r.rule, "message": r.message, "field": r.field, "hint": r.hint} for r in found.said.refusals
            ],
            "blocked_by": [{"rule": r.rule, "resource": r.resource, "message": r.message} for r in found.blocked],
        },
        "warnings": [{"rule": w.rule, "message": w.message} for w in found.said.warnings],
        "owner": found.owner,
        "ours": found.ours,
        "protected": found.protected,
        "revision": found.revision,
        "last_write": {
            "by": found.last_write.by,
            "by_type": found.last_write.by_type,
            "at": found.last_write.at,
            "created_by": found.last_write.created_by,
            "created_at": found.last_write.created_at,
        },
        "traffic": found.traffic,
        "mirror": found.mirror,
        "last_error": error,
        "error": None,
        "doc": found.doc,
        "fields": [
            {
                "path": row.path,
                "classes": list(row.classes),
                "desired": _shown(row, row.desired),
                "live": _shown(row, row.live),
                "differs": row.differs,
                "note": row.note,
                "source": row.source,
                "position": str(row.position) if row.position else None,
            }
            for row in found.fields
        ],
    }


def _text(found: Explanation, wanted: Wanted, error: str, *, colour: bool) -> str:
    from reconciler.render.text import paint
    from reconciler.render.values import printable

    good = found.sync in ("InSync", "NotDeclared") and found.health in ("Ready", "Missing")
    lines = [paint(printable(found.verdict), "ok" if good else "~", on=colour), ""]
    lines += [f"  {name:<11} {printable(text)}" for name, text in _facts(found, wanted, error) if text]
    for refusal in found.said.refusals:
        lines += ["", paint(f"  ! refused: {refusal.rule}", "!", on=colour), f"        {printable(refusal.message)}"]
        lines += [f"        fix: {printable(refusal.hint)}"] * bool(refusal.hint)
    alike = [row for row in found.fields if not row.differs and row.path not in _OBVIOUS]
    for title, rows in (
        ("Differs", found.differing),
        ("Agrees", [row for row in alike if row.classes[0] not in _APART]),
        ("Ignored, as the manifest says", [row for row in alike if row.classes[0] == "ignored"]),
        ("Not compared: Azure's, or our own bookkeeping", [row for row in alike if row.classes[0] in _AZURES]),
    ):
        if rows:
            lines += ["", paint(title, "bold", on=colour), *_table(rows, whole=title == "Differs")]
    return "\n".join(lines) + "\n"


_AZURES = ("left to Azure", "server-owned", "bookkeeping")
_APART = (*_AZURES, "ignored")
_OBVIOUS = ("id", "name", "type", "systemData")


def _facts(found: Explanation, wanted: Wanted, error: str) -> list[tuple[str, str]]:
    write, action = found.last_write, found.said.action
    does = f"{action.verb} by {action.method}: {action.reason}" if action else ""
    if action and action.needs:
        does += f" (after {', '.join(str(need) for need in action.needs)})"
    traffic = "" if found.traffic is None else f"{found.traffic} % of live traffic"
    traffic += f", {found.mirror} % mirrored" if found.mirror else ""
    owned = f"ours ({found.owner})" if found.ours else found.owner or "nobody"
    by = " ".join(
        filter(None, (write.by or "somebody Azure does not name", f"({write.by_type})" * bool(write.by_type)))
    )
    created = f"{write.created_at} by {write.created_by or 'somebody Azure does not name'}" if write.created_at else ""
    live = found.health != "Missing"
    return [
        ("sync", found.sync),
        ("health", found.health),
        ("manifest", str(found.position) if found.position else "none"),
        ("plan", does),
        ("held back", found.said.held.reason if found.said.held else ""),
        ("blocked by", "; ".join(f"{r.resource}: {r.message}" for r in found.blocked)),
        ("traffic", traffic),
        ("owner", f"{owned}{', protected' if found.protected else ''}" if live and found.ref.kind != "code" else ""),
        ("revision", f"{found.revision} written last; {wanted.intent.revision} here" if found.revision else ""),
        ("last write", f"{write.at} by {by}" if write.at else ""),
        ("created", created),
        ("warning", "; ".join(warn.message for warn in found.said.warnings)),
        ("last error", error),
        ("reference", found.doc),
    ]


def _table(rows: Sequence[FieldState], *, whole: bool) -> list[str]:
    """One line for each field; of what differs the two sides, the reason and the rule's source below it."""
    from reconciler.render.values import printable, shown

    lines = []
    width = min(max(len(row.path) for row in rows), 60)
    for row in rows:
        at = f"  {printable(str(row.position))}" if row.position else ""
        classes = ", ".join(row.classes)
        desired, live = (shown(value, sensitive=row.sensitive) for value in (row.desired, row.live))
        if not whole:
            note = f"  {printable(row.note)}" if row.note else ""
            value = live if row.desired is None or row.live is not None else desired
            lines.append(f"  {printable(row.path):<{width}}  {value}  [{classes}]{at}{note}")
            continue
        lines.append(f"  {printable(row.path):<{width}}  live {live}, desired {desired}  [{classes}]{at}")
        lines += [f"      {printable(row.note)}"] * bool(row.note)
        lines += [f"      rule: {row.source}"] * bool(row.source)
    return lines
