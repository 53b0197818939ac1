"""``aml-gitops render``"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.cli.place import project_root

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print base, defaults, overlays and variables put together; findings go to stderr and do not stop it."""
    import yaml

    from reconciler.sync import check

    checked = check(project_root(options), options.environment)
    for document in checked.documents:
        text = yaml.safe_dump(document.data, sort_keys=False, allow_unicode=True, width=120)
        output.show(f"---\n# {document.at().file}\n{text}")
    if checked.findings:
        output.note(f"{output.count_of(checked.findings)}: aml-gitops validate -e {options.environment}")
    return 0
