"""What a person or a pipe gets to see: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from reconciler import log
from reconciler.domain import Severity

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import TextIO

    from reconciler.domain import Body, Finding


class _Colour:
    """Whether to colour, as ``--color`` said."""

    wish = "auto"


class _Stderr:
    """Whether every line on stderr is JSON, as ``--log-format`` said."""

    json_lines = False


def set_up(options: argparse.Namespace) -> None:
    """Remember the wish for colour and start logging."""
    _Colour.wish = options.color
    # A closed stdout or stderr is None in Python; what goes there goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    usual = "info" if options.command == "run" else "warning"
    log.set_up(options.log_level or usual, options.log_format)
    _Stderr.json_lines = options.log_format == "json"


def coloured(stream: TextIO) -> bool:
    """Whether to write colours to ``stream``: --color, then NO_COLOR, then TERM=dumb, then whether it is a terminal."""
    if _Colour.wish != "auto":
        return _Colour.wish == "always"
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def show(text: str) -> None:
    """Write a result."""
    sys.stdout.write(text)


def show_json(document: Body | list[Any]) -> None:
    """Write a result as JSON."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def note(text: str) -> None:
    """Tell how it goes. When stderr is gone there is nobody to tell, and what is under way goes on."""
    if _Stderr.json_lines:
        log.say(text)
        return
    try:
        sys.stderr.write(log.concealed(text) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - Python flushes it once more when it ends


def error(text: str, request_id: str = "") -> None:
    """Say why it ended."""
    if _Stderr.json_lines:
        log.say(text, logging.ERROR, **({"request_id": request_id} if request_id else {}))
        return
    suffix = f" (request id {request_id})" if request_id else ""
    from reconciler.render import printable

    sys.stderr.write(f"aml-gitops: {log.concealed(printable(text))}{suffix}\n")


def findings_text(findings: Sequence[Finding], *, colour: bool) -> str:
    """Findings for a person: place, rule, what, found, required, how to mend."""
    lines: list[str] = []
    for finding in findings:
        mark = "31;1" if finding.severity is Severity.ERROR else "33"
        rule = f"{finding.severity}[{finding.rule}]"
        rule = f"\x1b[{mark}m{rule}\x1b[0m" if colour else rule
        about = " ".join(filter(None, (finding.resource, finding.path)))
        lines.append(f"{finding.position}: {rule} {about + ': ' if about else ''}{finding.message}")
        lines += [
            f"    {label:<9} {text}"
            for label, text in (("found", finding.found), ("required", finding.required), ("fix", finding.hint))
            if text
        ]
    return "".join(line + "\n" for line in lines)


def findings_to_stderr(findings: Sequence[Finding]) -> None:
    """All findings and their number, as an error."""
    if _Stderr.json_lines:
        for finding in findings:
            told = {"rule": finding.rule, "resource": finding.resource, "path": finding.path, "fix": finding.hint}
            told = {"position": str(finding.position), **{key: value for key, value in told.items() if value}}
            log.say(finding.message, getattr(logging, finding.severity.upper()), **told)
    else:
        sys.stderr.write(log.concealed(findings_text(findings, colour=coloured(sys.stderr))))
    error(count_of(findings))


def count_of(findings: Sequence[Finding]) -> str:
    """``2 errors, 1 warning``."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = len(findings) - errors
    parts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(parts) or "no findings"
