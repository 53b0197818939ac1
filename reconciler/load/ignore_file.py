"""``.amlignore`` and ``.gitignore``, read as az ml reads them.

azure-ai-ml 1.35.2 (``_utils/_asset_utils.py::IgnoreFile`` and its vendored pathspec): only the file at the root of
the folder counts, .amlignore wins over .gitignore, the last pattern that matches decides, and a folder that is
left out takes everything in it along. Written again here because importing azure-ai-ml takes a second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAMES = (".amlignore", ".gitignore")
# A bracket that is the first member does not close the set.
_BRACKET = re.compile(r"(?:(?P<negated>!)|(?!!))(?P<members>\][^\]]*|[^\]]+)\]")


@dataclass(frozen=True, slots=True)
class IgnoreFile:
    """Patterns, and the folder they are relative to."""

    folder: str
    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()

    def leaves_out(self, path: str) -> bool:
        """Return whether the file or folder at this absolute path stays here."""
        if not self.patterns:
            return False
        relative = os.path.relpath(path, self.folder).replace(os.sep, "/")
        verdict = False
        for pattern, leave_out in self.patterns:
            if pattern.match(relative):
                verdict = leave_out
        return verdict


def ignore_file(folder: Path) -> IgnoreFile:
    """Return the patterns that hold for a folder. Raises SourceError when they cannot be read."""
    for name in FILE_NAMES:
        file = folder / name
        if file.exists():
            try:
                lines = file.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise SourceError(f"cannot read {file}: {error}") from error
            compiled = (_compiled(line.rstrip(), file) for line in lines)
            return IgnoreFile(str(file.resolve().parent), tuple(pattern for pattern in compiled if pattern))
    return IgnoreFile(str(folder))


def _compiled(line: str, file: Path) -> tuple[re.Pattern[str], bool] | None:
    text = line.strip()
    if not text or text == "/" or text.startswith("#"):
        return None
    leave_out = not text.startswith("!")
    if not leave_out:
        text = text[1:]
    try:
        return re.compile(_expression(text)), leave_out
    except (ValueError, re.error) as error:
        raise SourceError(f"{file}: '{line}' is not a pattern that az ml understands: {error}") from error


def _expression(text: str) -> str:
    """Return the regular expression of a git wildmatch pattern, as pathspec 0.9 writes it."""
    segments = [
        segment
        for before, segment in zip((None, *text.split("/")), text.split("/"), strict=False)
        if not before == segment == "**"
    ]
    if segments == ["**", ""]:
        return r".+/.*\Z"
    if not segments[0]:
        del segments[0]
    elif len(segments) == 1 or (len(segments) == 2 and not segments[1]):
        segments = segments if segments[0] == "**" else ["**", *segments]
    if not segments:
        raise ValueError("it is empty")
    if not segments[-1] and len(segments) > 1:
        segments[-1] = "**"
    if segments == ["**"]:
        return r".+\Z"
    return "".join(_joined(segments)) + r"\Z"


def _joined(segments: list[str]) -> Iterator[str]:
    last, slash = len(segments) - 1, False
    for number, segment in enumerate(segments):
        if segment != "**":
            yield "/" if slash else ""
            yield "[^/]+" if segment == "*" else _glob(segment)
            yield "(?:/.*)?" if number == last else ""
            slash = True
        elif number == 0:
            yield "(?:.+/)?"
        elif number == last:
            yield "/.*"
        else:
            yield "(?:/.+)?"
            slash = True


def _glob(segment: str) -> str:
    expression, rest = "", segment
    while rest:
        char, rest = rest[0], rest[1:]
        if char == "\\":
            if not rest:
                raise ValueError("nothing follows its last backslash")
            expression, rest = expression + re.escape(rest[0]), rest[1:]
        elif char == "[" and (found := _BRACKET.match(rest)):
            members = re.sub(r"[\\\[&|~]|^\^", r"\\\g<0>", found["members"])
            expression += f"[{'^' * bool(found['negated'])}{members}]"
            rest = rest[found.end() :]
        else:
            expression += {"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char)
    return expression
