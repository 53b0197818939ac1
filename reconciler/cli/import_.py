"""``aml-gitops import``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import connection_of, path_of, project_root, session
from reconciler.render.values import printable

if TYPE_CHECKING:
    import argparse

    from reconciler.importing import Import

_AFTER = {
    "nothing": "They plan to nothing.",
    "adopts": "They plan to adoptions without a change.",
    "remains": "A plan still has something to say of them:",
    "invalid": "The manifests are not valid as they are now:",
    "outside": "The project does not read this folder (`manifests:` in gitops.yaml), so no plan was made.",
}


def run(options: argparse.Namespace) -> int:
    """Write the manifests and tell what a plan says of them; 1 when something could not be imported at all."""
    from reconciler.importing import import_live

    root = project_root(options)
    folder = path_of(options, options.out)
    done = session(
        connection_of(options, root),
        lambda arm: import_live(
            arm, root, options.environment, folder, select=tuple(options.select), adopt=options.adopt
        ),
    )
    if options.output == "json":
        output.show_json(_document(done, options.environment, options.out))
    else:
        _tell(done, options.out)
    return 1 if done.imported.missed else 0


def _document(done: Import, environment: str, out: str) -> dict[str, object]:
    found = done.imported
    return {
        "version": 1,
        "environment": environment,
        "out": out,
        "files": [{"path": file.path, "resource": str(file.ref)} for file in found.files],
        "notes": [asdict(note) for note in found.notes],
        "declared": [str(ref) for ref in found.declared],
        "missed": [str(ref) for ref in found.missed],
        "after": done.after,
        "remaining": [asdict(one) for one in done.remaining],
        "findings": [
            {"rule": f.rule, "position": str(f.position), "path": f.path, "message": f.message} for f in done.findings
        ],
    }


def _tell(done: Import, out: str) -> None:
    found = done.imported
    for file in found.files:
        output.show(f"  {printable(str(file.ref)):<40}  {printable(f'{out}/{file.path}')}\n")
    for note in found.notes:
        output.show(f"note  {printable(note.resource)}: {printable(note.message)}\n")
    if found.declared:
        output.show(f"{len(found.declared)} in the manifests already.\n")
    if not found.files:
        output.show("Nothing to import.\n")
        return
    output.show(f"Wrote {len(found.files)} file{'s' * (len(found.files) != 1)}. {_AFTER[done.after]}\n")
    for one in done.remaining:
        paths = ", ".join(filter(None, one.paths))
        output.show(f"  {one.what:<8} {printable(one.resource)}  {printable(paths)}  ({printable(one.reason)})\n")
    if done.findings:
        output.show(output.findings_text(done.findings, colour=output.coloured(sys.stdout)))
