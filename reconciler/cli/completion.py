"""``aml-gitops completion``"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from reconciler.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = ("FILE", "PATH", "PLANFILE")
_FOLDERS = ("DIR",)


def run(options: argparse.Namespace) -> int:
    """Print a script made from the parser itself, so that it knows every command, option and choice."""
    import shtab

    from reconciler.cli.main import command_line

    parser = command_line()
    for action in _actions(parser):
        # shtab reads what to complete from an attribute that argparse does not know.
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    output.show(shtab.complete(parser, shell=options.shell) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to walk a parser, shtab does the same
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for inner in action.choices.values():
                yield from _actions(inner)
