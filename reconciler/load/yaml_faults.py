"""Files that are not YAML at all: where they stop making sense, and what a person most likely did. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.domain import Finding, Position

if TYPE_CHECKING:
    from yaml import MarkedYAMLError
    from yaml.reader import ReaderError

MAX_BYTES = 1024 * 1024

# What libyaml says, and what a person most likely did.
_HINTS = {
    "mapping values are not allowed": "put text that has a `: ` in it in quotes, or check the indentation",
    "cannot start any token": "indent with spaces, and put text that begins with @, ` or % in quotes",
    "did not find expected key": "check the indentation of this line and the one before it",
    "could not find expected ':'": "a key needs a `:` and a space after it",
    "did not find expected ',' or": "close the bracket, or put the value in quotes",
    "found unexpected end of stream": "close the quote or the bracket that was opened",
    "while scanning a quoted scalar": "close the quote that was opened here",
}


class Unreadable(Exception):
    """Nothing of the file can be trusted."""

    def __init__(self, position: Position, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.finding = Finding("yaml", position, message, hint=hint)


def decoded(text: bytes, file: str) -> str:
    """Return the text of a file. Raises Unreadable when it is too large or not UTF-8."""
    if len(text) > MAX_BYTES:
        raise Unreadable(
            Position(file),
            f"the file is larger than {MAX_BYTES // 1024**2} MiB",
            "keep data out of manifest files",
        )
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        raise Unreadable(
            Position(file, before.count(b"\n") + 1, column),
            f"byte 0x{text[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        ) from error


def not_yaml(error: MarkedYAMLError, file: str) -> Unreadable:
    """Return what a syntax error means."""
    mark = error.problem_mark or error.context_mark
    place = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
    message = ", ".join(part for part in (error.context, error.problem) if part)
    hint = next((hint for symptom, hint in _HINTS.items() if symptom in message), None)
    return Unreadable(place, f"not YAML: {message}", hint)


def not_text(error: ReaderError, text: str, file: str) -> Unreadable:
    """Return what a character that YAML forbids means."""
    before = text.encode()[: error.position].decode(errors="ignore")
    place = Position(file, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
    return Unreadable(place, f"character U+{error.character:04X} is not allowed in YAML")
