"""HTTP as values: a request, a response, and the JSON dialect of the service. No sockets here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from aml_emulator.errors import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

Body = dict[str, Any]

# .NET's DateTimeOffset.MinValue: the end of an operation that still runs (recorded SDK test traffic, 2024-04-01).
NEVER = "0001-01-01T00:00:00+00:00"
LARGEST_JSON_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``url`` is absolute and still percent-encoded; header names are in any case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""

    def header(self, name: str, default: str = "") -> str:
        """Value of a header, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), default)

    def parts(self) -> SplitResult:
        """The URL, split. Raises Refused (400) for one that is none, as a client's Host header can make it."""
        try:
            return urlsplit(self.url)
        except ValueError as error:
            raise Refused(400, "InvalidUri", f"The request URI is invalid: {error}.", plain=True) from error

    def check_text(self) -> None:
        """Raise Refused (400) when URL or headers are not UTF-8: the server hands such bytes over as surrogates."""
        try:
            "\n".join((self.url, *self.headers, *self.headers.values())).encode()
        except UnicodeEncodeError as error:
            message = "The request's URI or a header is not UTF-8."
            raise Refused(400, "BadRequest", message, plain=True) from error

    def authority(self) -> str:
        """Scheme, host and port that the client used, e.g. ``https://127.0.0.1:8443``."""
        parts = self.parts()
        return f"{parts.scheme}://{parts.netloc}"

    def query(self) -> dict[str, str]:
        """Query parameters with their names in lower case, as ARM reads them."""
        return {key.lower(): value for key, value in parse_qsl(self.parts().query, keep_blank_values=True)}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, however it is held."""
        if isinstance(self.body, bytes):
            yield self.body
            return
        async for chunk in self.body:
            yield chunk

    async def read(self) -> bytes:
        """The whole body. Raises Refused (413) beyond 16 MiB: no JSON body is that large."""
        held = bytearray()
        async for chunk in self.chunks():
            held += chunk
            if len(held) > LARGEST_JSON_BYTES:
                raise Refused(413, "RequestEntityTooLarge", "The request body is too large.")
        return bytes(held)

    async def json(self) -> Body:
        """The body as a JSON object; an empty body is ``{}``. Raises Refused (400)."""
        raw = await self.read()
        if not raw.strip():
            return {}
        try:
            document = json.loads(raw)
            json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            raise Refused(400, "InvalidRequestContent", f"The request content was invalid: {error}.") from error
        if not isinstance(document, dict):
            raise Refused(400, "InvalidRequestContent", "The request content must be a JSON object.")
        return document


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. A streamed body comes with its Content-Length header."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""

    async def read(self) -> bytes:
        """The whole body."""
        if isinstance(self.body, bytes):
            return self.body
        return b"".join([chunk async for chunk in self.body])


def answer(status: int, document: Body | list[Body], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer as the service writes it: indented by two spaces, non-ASCII as it is."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status, kind | dict(headers or {}), text.encode())


def empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer without a body, as DELETE and PATCH have in the 2024-04-01 dialect."""
    return Response(status, dict(headers or {}))


def strings(mapping: Mapping[str, Any] | None) -> dict[str, str]:
    """Tags or properties as the service keeps them: strings (azure-ai-ml sends hash_version as a number)."""
    pairs = (mapping or {}).items()
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in pairs if value is not None}


def timestamp(moment: datetime | None = None) -> str:
    """Now (or ``moment``) as the service writes it: fraction without trailing zeros, ``+00:00``."""
    moment = moment or datetime.now(UTC)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{whole}.{fraction}+00:00" if fraction else f"{whole}+00:00"


def http_date(moment: datetime) -> str:
    """A moment as HTTP headers have it."""
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
