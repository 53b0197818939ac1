"""``aml-gitops render``"""

from __future__ import annotations

import posixpath
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.place import project_root
from reconciler.compose.overlays import local_paths

if TYPE_CHECKING:
    import argparse

    from reconciler.domain import Document


def run(options: argparse.Namespace) -> int:
    """Print base, defaults, overlays and variables put together; findings go to stderr and do not stop it."""
    import yaml

    from reconciler.sync import check

    checked = check(project_root(options), options.environment)
    for document in checked.documents:
        text = yaml.safe_dump(_as_one_file(document), sort_keys=False, allow_unicode=True, width=120)
        output.show(f"---\n# {document.at().file}\n{text}")
    if checked.findings:
        output.note(f"{output.count_of(checked.findings)}: aml-gitops validate -e {options.environment}")
    return 0


def _as_one_file(document: Document) -> dict[str, Any]:
    """The manifest with every local path as the base file would write it, whichever overlay it came from."""
    data = deepcopy(document.data)
    folder = posixpath.dirname(document.at().file)
    for pointer, path in local_paths(document):
        place: Any = data
        for step in pointer[:-1]:
            place = place[step]
        place[pointer[-1]] = posixpath.relpath(path, folder or ".")
    return data
