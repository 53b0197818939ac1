"""Every error answer of the emulator, and the one place that gives it the service's shape."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Refused(Exception):
    """The service says no. ``details`` are (code, message) pairs; ``plain`` is ARM's own short envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[tuple[str, str]] = (),
        *,
        plain: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.plain = plain
        self.headers = dict(headers or {})


def bad_request(code: str, message: str) -> Refused:
    """400 with an inner code, as recorded for MissingDriverProgram and the quota failure."""
    return Refused(400, "BadRequest", "The request is invalid.", [(code, message)])


def validation_failed(code: str, field: str, message: str) -> Refused:
    """400 whose useful text is JSON inside a string.

    Shape from Azure/azureml-examples PR #1930 (a name clash) and public quota failures. ``field`` is the key below
    ``errors``; it is empty for what concerns the whole request.
    """
    inner = {
        "errors": {field: [message]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
    }
    return bad_request(code, json.dumps(inner, separators=(",", ":"), ensure_ascii=False))


def not_found(code: str, message: str) -> Refused:
    """404 as the service front end gives it."""
    return Refused(404, "NotFound", "The specified resource was not found.", [(code, message)])


def envelope(refused: Refused, location: str, time: str) -> dict[str, Any]:
    """The error body: recorded key order, ``additionalInfo`` in its recorded order."""
    if refused.plain:
        return {"error": {"code": refused.code, "message": refused.message}}
    correlation = {"operation": secrets.token_hex(16), "request": secrets.token_hex(8)}
    info: tuple[tuple[str, Any], ...] = (
        ("ComponentName", "managementfrontend"),
        ("Correlation", correlation),
        ("Environment", location),
        ("Location", location),
        ("Time", time),
    )
    details = [
        {"code": code, "message": message, "details": [], "additionalInfo": []} for code, message in refused.details
    ]
    return {
        "error": {
            "code": refused.code,
            "message": refused.message,
            "details": details,
            "additionalInfo": [{"type": kind, "info": {"value": value}} for kind, value in info],
        }
    }
