"""Parse the command line, run one command, turn every error into one message and one exit code."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reconciler.cli.commands import COMMANDS
from reconciler.cli.parser import Parser, check_environment, common_options
from reconciler.errors import ManifestError, PlanRefused, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """\
  aml-gitops validate                    are the manifests right?
  aml-gitops plan -e dev                 what would change, and why?
  aml-gitops apply -e dev                change it
  aml-gitops status -e dev               how does it stand?
  aml-gitops explain -e dev endpoint/churn"""

EXIT_CODES = """\
exit codes:
  0 done or in sync    1 failed            2 changes pending (plan --detailed-exitcode)
  3 refused            4 invalid manifests 5 stale plan
  6 held by another    64 usage            130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``aml-gitops`` and return its exit code."""
    # A plan of 10,000 builds millions of small values and drops few: looking for cycles less often saves a sixth.
    gc.set_threshold(100_000, 50, 1000)
    parser = command_line()
    options = parser.parse_args(arguments)
    check_environment(parser, options)
    from reconciler.cli import output

    output.set_up(options)
    try:
        code: int = import_module(options.module).run(options)
        sys.stdout.flush()
    except ManifestError as error:
        output.findings_to_stderr(error.findings)
        return error.exit_code
    except PlanRefused as error:
        count = len(error.refusals)
        output.error(error.refusals[0].message if count == 1 else f"refused for {count} reasons; nothing was applied")
        return error.exit_code
    except Problem as error:
        output.error(str(error), request_id=getattr(error, "request_id", ""))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): write nothing more to it, not even while Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        output.note("aml-gitops: the reader of stdout went away before everything was told")
        return 1
    except Exception as error:
        if options.debug:
            raise
        output.error(f"unexpected {type(error).__name__}: {error}. Run again with --debug and report what it prints")
        return 1
    return code


def command_line() -> Parser:
    """The whole command line, without any command loaded."""
    parser = Parser(
        prog="aml-gitops",
        description="GitOps for private Azure Machine Learning: live endpoints become what the manifests say.",
        epilog=f"examples:\n{EXAMPLES}\n\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action=_Version)
    common_options(parser, top=True)
    commands: Any = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for add in COMMANDS:
        add(commands)
    return parser


class _Version(argparse.Action):
    """Print the version and leave. It is looked up only then: package metadata takes longer than the whole help."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"aml-gitops {version('aml-gitops')}\n")
        parser.exit()
