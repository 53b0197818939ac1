"""Azure's answers to our errors: the innermost message, which is what a person can act on.

The useful text of Azure ML is often JSON inside a string inside ``details[0].message``, sometimes behind the prefix
``InferencingClient HttpRequest error, error detail:``; a failed long-running operation is an HTTP 200.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from reconciler.errors import ArmError, Busy, Conflict, Forbidden, NotFound, Throttled, Unavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.core.rest import AsyncHttpResponse

_BUSY = re.compile(
    r"OperationCanceled|AnotherOperationInProgress|because it is in \w+ provisioning state", re.IGNORECASE
)
"""Another operation had priority or holds the resource: Azure advises to wait about a minute and to try again
(learn.microsoft.com: how-to-troubleshoot-online-endpoints; Azure/azure-sdk-for-net#36961)."""

_SETTLED = re.compile(r"already (exists|registered)|cannot be (changed|updated)", re.IGNORECASE)
"""A 409 that waiting does not cure. Any other is taken for a running operation (assumed: none is recorded)."""

_NO_ANSWER = re.compile(r"^Service(Request|Response)|IncompleteRead|Connect|Timeout|ChunkedEncodingError")
"""Names of exceptions of azure-core, requests and Python that mean that the network failed."""

_BY_STATUS: dict[int, type[ArmError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}


def innermost(error: Any) -> tuple[str, str]:
    """Code and message of the innermost error in an ARM error body (the value of its ``error`` key)."""
    if not isinstance(error, dict):
        return "", str(error or "")
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    details = error.get("details") or []
    if details and isinstance(details[0], dict):
        inner_code, inner_message = innermost(details[0])
        code, message = inner_code or code, inner_message or message
    return code, _plain(message)


def _plain(message: str) -> str:
    """Unpack validation errors that travel as JSON in a string; anything else is returned as it is."""
    start = message.find("{")
    if start < 0:
        return message
    try:
        packed = json.loads(message[start:])
    except ValueError:
        return message
    if not isinstance(packed, dict):
        return message
    errors = packed.get("errors")
    if isinstance(errors, dict):
        lines = [
            f"{field}: {text}" if field else str(text)
            for field, texts in errors.items()
            for text in (texts if isinstance(texts, list) else [texts])
        ]
        return "; ".join(lines)
    return str(packed.get("title") or packed.get("message") or message)


def from_response(response: AsyncHttpResponse, body: Any) -> ArmError:
    """The error of a response that is not a success, or of an operation that failed."""
    code, message = innermost(body.get("error") if isinstance(body, dict) else body)
    status = response.status_code
    text = message or f"Azure answered {status} without a message"
    request_id = response.headers.get("x-ms-request-id") or response.headers.get("x-ms-correlation-request-id") or ""
    if status == 429:
        return Throttled(
            text,
            retry_after_s=_seconds(response.headers.get("Retry-After")),
            status=status,
            code=code,
            request_id=request_id,
        )
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else ArmError)
    if _BUSY.search(f"{code} {text}") or (kind is Conflict and not _SETTLED.search(text)):
        kind = Busy
    return kind(text, status=status, code=code, request_id=request_id)


def _seconds(retry_after: str | None) -> float:
    """Retry-After in seconds; as a date it is left to azure-core, which has waited by then."""
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0


def from_transport(error: AzureError, hint: str = "") -> ArmError:
    """No answer at all: connection refused, reset, timed out, or no token to be had."""
    from azure.core.exceptions import ClientAuthenticationError

    first = str(error.message or error).strip().splitlines()[0]
    text = re.sub(r" ssl:(<[^>]*>|default|True|False|None)", "", first)
    if isinstance(error, ClientAuthenticationError):
        return Forbidden(f"{text} Sign in with `az login`, or give this process a workload or managed identity")
    return Unavailable(f"{text}; {hint}" if hint else text)


def storage_failure(error: AzureError) -> ArmError:
    """Azure Storage refused, or did not answer. Its pipeline has retried already."""
    status = getattr(error, "status_code", None) or 0
    code = getattr(error, "error_code", None) or ""
    kind = _passing(status) or _BY_STATUS.get(status, ArmError if status else Unavailable)
    first = str(error.message or error).strip().splitlines()[0]
    return kind(f"the workspace's storage: {first}", status=status, code=str(getattr(code, "value", code)))


def upload_failure(message: str, code: str, status: int) -> ArmError:
    """What the upload process tells of azure-ai-ml: ``code`` is Azure's, or the name of the exception."""
    kind = _passing(status) or (Unavailable if not status and _NO_ANSWER.search(code) else ArmError)
    return kind(message, code=code, status=status)


def _passing(status: int) -> type[ArmError] | None:
    """The error of a status that means nothing but that it is to be tried later."""
    return Throttled if status == 429 else Unavailable if status == 408 or status >= 500 else None
