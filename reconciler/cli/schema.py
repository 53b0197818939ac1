"""``aml-gitops schema``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import path_of
from reconciler.errors import UsageError

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """List, print one, or write all."""
    from schemas.json_schema import json_schemas

    texts = json_schemas()
    if options.out:
        folder = path_of(options, options.out)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        output.note(f"Wrote {len(texts)} schemas to {folder}")
        return 0
    if options.name is None:
        output.show("".join(f"{name.removesuffix('.schema.json')}\n" for name in sorted(texts)))
        return 0
    wanted = options.name if options.name in texts else f"{options.name}.schema.json"
    if wanted not in texts:
        known = ", ".join(name.removesuffix(".schema.json") for name in sorted(texts))
        raise UsageError(f"no schema '{options.name}'; there are: {known}")
    output.show(texts[wanted])
    return 0
