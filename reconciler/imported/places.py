"""Which file each manifest goes to: one folder for an endpoint, one for each kind of asset. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.imported.ask import Note
from reconciler.plan.ownership import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.domain import Ref
    from reconciler.imported.draft import Draft

LONGEST_STEM = 120


def placed(drafts: Sequence[Draft]) -> tuple[tuple[Draft, ...], tuple[Note, ...]]:
    """The drafts with their files, no two of which are one on a disk that does not tell case apart."""
    taken: set[str] = set()
    found: list[Draft] = []
    notes: list[Note] = []
    for draft in sorted(drafts, key=lambda draft: draft.ref):
        folder, stem = _place(draft.ref)
        free, number = stem, 1
        while any(f"{folder}/{free}{end}".lower() in taken for end in (".yml", ".conda.yml")):
            number += 1
            free = f"{stem}-{number}"
        taken |= {f"{folder}/{free}{end}".lower() for end in (".yml", ".conda.yml")}
        if free != stem:
            message = f"is written to {folder}/{free}.yml: its name differs only in case from another's, or not at all"
            notes.append(Note("name", str(draft.ref), message))
        found.append(replace(draft, file=f"{folder}/{free}.yml", conda_file=f"{free}.conda.yml"))
    return tuple(found), tuple(notes)


def _place(ref: Ref) -> tuple[str, str]:
    if ref.kind == "endpoint":
        return ref.name, "endpoint"
    if ref.kind == "deployment":
        return ref.name, f"{ref.part}.deployment" if ref.part == "endpoint" else ref.part
    stem = f"{ref.name}-{ref.part}"
    # A name and a version may have 255 characters each, a file name 255 in all.
    return f"{ref.kind}s", stem if len(stem) <= LONGEST_STEM else f"{stem[:LONGEST_STEM]}-{digest(stem)}"
