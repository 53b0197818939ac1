"""The shape of the command line: argparse, with usage errors that end with 64 and suggest what was meant."""

from __future__ import annotations

import argparse
import os
import re
import sys
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any, NoReturn

USAGE = 64
PREFIX = "AML_GITOPS_"
COLOURS = ("auto", "always", "never")
LOG_LEVELS = ("debug", "info", "warning")
LOG_FORMATS = ("text", "json")


class Parser(argparse.ArgumentParser):
    """An argument parser of this product."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and end when something is left: the command's own parser knows its options, the one above does not."""
        self._words = list(sys.argv[1:] if args is None else args)
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            # What follows an unknown option may be its value, and that is not ours to repeat.
            strange = [word for word in unknown if word.startswith("-")]
            told = [self._no_option(word) for word in strange] or [f"'{unknown[0]}' is one argument too many"]
            self.error("; ".join(told))
        return options, unknown

    def _no_option(self, word: str) -> str:
        name = word.partition("=")[0]
        near = get_close_matches(name, self._option_string_actions, 1)
        return f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else "")

    def _unknown_before(self, command: str) -> str | None:
        """The unknown option whose value was taken for the command."""
        before = self._words[: self._words.index(command)] if command in self._words else []
        words = (word for word in before if word.startswith("-"))
        return next((word for word in words if word.partition("=")[0] not in self._option_string_actions), None)

    def error(self, message: str) -> NoReturn:
        """End with 64, the usage, and the nearest valid choice."""
        found = re.search(
            r"(?P<where>argument -\S+: )?invalid choice: '(?P<given>[^']*)' \(choose from (?P<valid>.*)\)", message
        )
        if found and not found["where"] and (strange := self._unknown_before(found["given"])):
            message = self._no_option(strange)
        elif found:
            valid = re.findall(r"[\w-]+", found["valid"])
            near = get_close_matches(found["given"], valid, 1)
            where = found["where"] or ""
            message = f"{where}there is no '{found['given']}'" + (
                f"; did you mean '{near[0]}'?" if near else f"; choose from {', '.join(valid)}"
            )
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"aml-gitops: {message}\n")


def from_environment(name: str, default: str | None = None) -> str | None:
    """Default of an option: the environment variable of its name, then ``default``."""
    return os.environ.get(PREFIX + name.upper()) or default


def common_options(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """Options that every command takes, before or after its name; written after, they win."""

    def default(name: str, otherwise: str | None) -> Any:
        return from_environment(name, otherwise) if top else argparse.SUPPRESS

    group = parser.add_argument_group("common options")
    group.add_argument(
        "-C",
        dest="directory",
        metavar="DIR",
        default=default("dir", "."),
        help="start in DIR; gitops.yaml is looked for there and upward (AML_GITOPS_DIR)",
    )
    group.add_argument(
        "--color",
        choices=COLOURS,
        default=default("color", "auto"),
        help="auto follows the terminal, NO_COLOR and TERM=dumb (AML_GITOPS_COLOR)",
    )
    group.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        default=default("log_level", None),
        help="how much to log on stderr: warning, but info for run (AML_GITOPS_LOG_LEVEL)",
    )
    group.add_argument(
        "--log-format",
        choices=LOG_FORMATS,
        default=default("log_format", "text"),
        help="lines for people, or one JSON object a line (AML_GITOPS_LOG_FORMAT)",
    )
    group.add_argument(
        "--debug",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="show the traceback of an unexpected error",
    )


def check_environment(parser: Parser, options: argparse.Namespace) -> None:
    """argparse does not hold defaults to the choices, and ours come from the environment."""
    for name, value, valid in (
        ("COLOR", options.color, COLOURS),
        ("LOG_LEVEL", options.log_level, LOG_LEVELS),
        ("LOG_FORMAT", options.log_format, LOG_FORMATS),
    ):
        if value is not None and value not in valid:
            parser.error(f"{PREFIX}{name}={value}: choose from {', '.join(valid)}")


def command(commands: Any, name: str, summary: str, examples: str) -> Parser:
    """Add a command with its summary and examples, and the options all commands share.

    ``reconciler.cli.<name>`` (``import_`` for ``import``) has its ``run``; it is imported only when it is called.
    """
    parser: Parser = commands.add_parser(
        name, help=summary, description=summary[:1].upper() + summary[1:] + ".", epilog=f"examples:\n{examples}"
    )
    common_options(parser)
    parser.set_defaults(module=f"reconciler.cli.{name}{'_' * iskeyword(name)}")
    return parser


def environment_option(parser: Parser, *, required: bool = True) -> None:
    """``-e ENV``."""
    default = from_environment("environment")
    parser.add_argument(
        "-e",
        "--environment",
        metavar="ENV",
        default=default,
        required=required and default is None,
        help="environment of gitops.yaml (AML_GITOPS_ENVIRONMENT)",
    )


def output_option(parser: Parser, *choices: str) -> None:
    """``-o FORMAT``."""
    parser.add_argument(
        "-o", "--output", choices=choices, default="text", metavar="FORMAT", help=f"{', '.join(choices)} (default text)"
    )


def select_option(parser: Parser) -> None:
    """``--select RESOURCE``."""
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="RESOURCE",
        help="only what matches this name or pattern, and what that needs (repeatable)",
    )
