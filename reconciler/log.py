"""Log lines on stderr: text for people or one JSON object a line, with what they are about, and never with a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from base64 import b64encode
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "(secret)"  # noqa: S105 - what stands in its place
SHORTEST = 4
"""Values with fewer characters are not concealed: they would take ordinary words out of every line."""

_MAX_DEPTH = 6
_WHOLE_LINE = 20
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_FIELDS = frozenset({"time", "level", "logger", "message", "exception"})

# What follows `://` and stands before the last @ of the authority. A user name alone is no secret for ssh.
_USERINFO = re.compile(r"(?<=://)[^\s/?#\"<>]+@")
_SIGNATURE = re.compile(
    r"(?i)(?:(?<![a-z0-9])|(?<=%26)|(?<=%3f))((?:sig|AccountKey|SharedAccessKey)(?:=|%3D))[^&;\s\"'<>]+"
)
_AUTHORIZATION = re.compile(
    r"(?i)(authorization\W{1,6}(?:basic|bearer)\s+|\bbearer\s+(?=[a-z0-9._~+/-]{20}))[^\s\"',]+"
)

_NUMBER = re.compile(r"-?\d[\d.e+-]*")

_about: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("about", default=())


# -- what a line is about --------------------------------------------------------------------------------------------


@contextmanager
def about(*, environment: str = "", revision: str = "", resource: str = "") -> Iterator[None]:
    """Put these on every line that is logged within the block, by this task and by those it starts."""
    named = {"environment": environment, "revision": revision, "resource": resource}
    token = _about.set((*_about.get(), *((name, value) for name, value in named.items() if value)))
    try:
        yield
    finally:
        _about.reset(token)


# -- secrets ---------------------------------------------------------------------------------------------------------


class _Concealed:
    """The forms of all values that no line may hold, of this process."""

    forms: frozenset[str] = frozenset()


def conceal(value: str) -> None:
    """From now on write ``(secret)`` in place of this value, also where it is quoted, escaped or base64."""
    if len(value.strip()) < SHORTEST:
        return
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, value.strip(), quote(raw, safe=""), quote(raw), repr(value)[1:-1], json.dumps(value)[1:-1]}
    forms |= {json.dumps(value, ensure_ascii=False)[1:-1], _printable(value), b64encode(raw).decode()}
    # A key file is also shown line by line; that it begins and ends is no secret.
    forms |= {line for line in value.splitlines() if len(line) >= _WHOLE_LINE and not line.startswith("-----")}
    _Concealed.forms |= forms


def concealed(text: str) -> str:
    """Return the text without secrets: those told to ``conceal``, passwords in addresses, signatures, tokens."""
    text = _without(text, _Concealed.forms)
    text = _USERINFO.sub(_shown_userinfo, text)
    text = _SIGNATURE.sub(rf"\g<1>{SECRET}", text)
    return _AUTHORIZATION.sub(rf"\g<1>{SECRET}", text)


def _without(text: str, values: frozenset[str]) -> str:
    """Values may overlap in the text, so that the places of all are found before any is taken out."""
    places = sorted((at, at + len(value)) for value in values if value in text for at in _places(text, value))
    parts, end = [], 0
    for start, stop in places:
        if start >= end:
            parts += [text[end:start], SECRET]
        end = max(end, stop)
    return "".join((*parts, text[end:]))


def _places(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def _shown_userinfo(match: re.Match[str]) -> str:
    only_user = ":" not in match[0] and match.string[: match.start()].endswith("ssh://")
    return match[0] if only_user else f"{SECRET}@"


# -- lines -----------------------------------------------------------------------------------------------------------


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment. When it is gone there is nobody to tell, and the work goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record) + "\n"
        with suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()


class TextLines(logging.Formatter):
    """``2026-11-21T10:02:15Z INFO reconciler.watch synced environment=dev why="two words"``, the time in UTC.

    A line feed in a value does not start a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the exception."""
        extra = {**dict(_about.get()), **_extra(record)}
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = [moment, record.levelname, record.name, _printable(_message(record))]
        parts += [f"{key}={_quoted(_text(value))}" for key, value in extra.items()]
        return concealed("\n".join((" ".join(parts), *_exception(self, record))))


class JsonLines(logging.Formatter):
    """``{"time": ..., "level": ..., "logger": ..., "message": ...}``, what it is about, extras, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object without a line feed, whatever the extras are."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        for key, value in {**dict(_about.get()), **_extra(record)}.items():
            line[f"{key}_" if key in _FIELDS else key] = value
        if text := "\n".join(_exception(self, record)):
            line["exception"] = text
        return json.dumps(_jsonable(line, _MAX_DEPTH))


_STDERR = _Stderr()
_STDERR.setFormatter(TextLines())


def set_up(level: str, form: str) -> None:
    """Log to stderr from ``level`` (``info``) on, as ``text`` or ``json``. A second call replaces the first."""
    _STDERR.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.setLevel(level.upper())
    if _STDERR not in root.handlers:
        root.addHandler(_STDERR)
    # The libraries below us log requests at INFO; their headers are not ours to show.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)  # Each failure is told by us, in one line.
    for library in ("azure", "msal", "aiohttp.access", "watchfiles"):
        logging.getLogger(library).setLevel(logging.WARNING)


def say(text: str, level: int = logging.INFO, **extra: Any) -> None:
    """Write a line whatever the level is set to: what a person would be told, in a log that is all JSON."""
    record = logging.makeLogRecord({"name": "aml-gitops", "levelno": level, "levelname": logging.getLevelName(level)})
    record.msg = text
    vars(record).update({f"{key}_" if key in _STANDARD else key: value for key, value in extra.items()})
    _STDERR.handle(record)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    return [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []


def _jsonable(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict) and depth:
        return {concealed(_text(key)): _jsonable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_jsonable(item, depth - 1) for item in value]
    text = concealed(_text(value))
    # A number stays one, unless it is not finite (no JSON) or a secret.
    return value if type(value) in (int, float) and _NUMBER.fullmatch(text) else text


def _message(record: logging.LogRecord) -> str:
    """Text of the message; when its arguments do not fit, the message without them."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever an argument's __str__ raises
        return _text(record.msg)


def _text(value: Any) -> str:
    """Text of anything, also of what fails to say what it is: a line about a fault must not fail itself."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - whatever its __str__ raises
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _quoted(text: str) -> str:
    """A value as a line of text shows it: in quotes unless it is one word. Secrets go first: quoting hides them."""
    if text and not any(character.isspace() or character in '"=' for character in text):
        return _printable(text)
    escaped = concealed(text).replace("\\", r"\\").replace('"', r"\"")
    return f'"{_printable(escaped)}"'


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
