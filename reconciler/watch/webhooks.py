"""Who may say that something was pushed, and what was. Pure.

A push is a hint to look: what is applied is read from the repository itself, with its own authentication and signature
checks. A recorded push that is sent again therefore only makes us look once more, and needs no protection of its own.

What is sent, and how it is signed:
GitHub: docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries.
GitLab: docs.gitlab.com/user/project/integrations/webhooks; signing tokens (``whsec_``) follow standardwebhooks.com
(gitlab.com/gitlab-org/gitlab/-/merge_requests/230944); that their names and forms stay so is assumed.
Azure DevOps: learn.microsoft.com/azure/devops/service-hooks/events#git.push.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.loop import Secret, Webhooks

PREFIX = "/webhooks/"
FORGES = ("github", "gitlab", "azuredevops")
SIGNING_TOKEN = "whsec_"  # noqa: S105 - how such tokens begin, not one of them

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_REF_LENGTH = 1024
_MAX_REFS = 1000


@dataclass(frozen=True, slots=True, repr=False)
class Trusted:
    """The secrets of the forges that are believed; None where a forge is not. Raises UsageError for an empty one."""

    github: str | None = None
    gitlab: str | None = None
    azuredevops: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        for forge, secret in (("github", self.github), ("gitlab", self.gitlab), ("azuredevops", self.azuredevops)):
            if secret is not None and not all(secret if isinstance(secret, tuple) else (secret,)):
                raise UsageError(
                    f"webhooks.{forge}: the secret is empty, so anybody could send pushes; give it a value"
                )
        if self.gitlab is not None and self.gitlab.startswith(SIGNING_TOKEN) and not _signing_key(self.gitlab):
            raise UsageError(
                f"webhooks.gitlab: what follows {SIGNING_TOKEN} is not base64; copy the signing token again"
            )

    @classmethod
    def by(cls, settings: Webhooks, reveal: Callable[[Secret], str]) -> Trusted:
        """Return what the loop file trusts, each secret as ``reveal`` has it."""
        azuredevops = settings.azuredevops
        return cls(
            github=reveal(settings.github) if settings.github else None,
            gitlab=reveal(settings.gitlab) if settings.gitlab else None,
            azuredevops=(azuredevops.username, reveal(azuredevops.password)) if azuredevops else None,
        )


@dataclass(frozen=True, slots=True)
class Push:
    """Refs that moved. ``heads`` pairs each (``refs/heads/main``) with its commit; "" when it was deleted."""

    forge: str
    heads: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Sent by one who may, and nothing to do with a push."""

    forge: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not believed, or not understood. ``status`` is the HTTP status; ``reason`` never quotes what was sent."""

    status: int
    reason: str


def forge_of(path: str, trusted: Trusted) -> str:
    """Return whose pushes arrive at ``path``; empty when nobody's do."""
    forge = path.removeprefix(PREFIX)
    return forge if path != forge and forge in FORGES and getattr(trusted, forge) is not None else ""


def accepted(headers: Mapping[str, str], body: bytes, trusted: Trusted, path: str) -> Push | Ignored | Refused:
    """Return what a POST to ``/webhooks/<forge>`` means. ``headers`` have names in lower case. Never raises.

    The body is parsed only once its sender has proven to know the secret.
    """
    forge = forge_of(path, trusted)
    if not forge:
        return Refused(404, "no webhook here")
    if not _PROOFS[forge](headers, body, trusted):
        return Refused(401, "the secret is missing or wrong")
    try:
        event = _payload(body)
    except (ValueError, RecursionError):
        return Refused(400, "the body is not JSON")
    if not isinstance(event, dict):
        return Refused(400, "the body is not a JSON object")
    moved = _PUSHES[forge](headers, event)
    if moved is None:
        return Ignored(forge)
    heads = tuple(_head(ref, commit) for ref, commit in moved[:_MAX_REFS] if _is_ref(ref))
    return Push(forge, heads) if heads else Refused(400, "the push names no ref")


# -- proofs ----------------------------------------------------------------------------------------------------------


def _same(given: str | bytes, wanted: str | bytes) -> bool:
    """Compare in constant time; text that is no Unicode compares as well."""
    return hmac.compare_digest(_bytes(given), _bytes(wanted))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def _github(headers: Mapping[str, str], body: bytes, trusted: Trusted) -> bool:
    digest = hmac.new(_bytes(trusted.github or ""), body, "sha256").hexdigest()
    return _same(headers.get("x-hub-signature-256", ""), f"sha256={digest}")


def _gitlab(headers: Mapping[str, str], body: bytes, trusted: Trusted) -> bool:
    secret = trusted.gitlab or ""
    if not secret.startswith(SIGNING_TOKEN):
        return _same(headers.get("x-gitlab-token", ""), secret)
    signed = ".".join((headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), ""))
    digest = hmac.digest(_signing_key(secret), _bytes(signed) + body, "sha256")
    # While a token is being rotated there may be several signatures.
    return any(_is_signature(given, digest) for given in headers.get("webhook-signature", "").split()[:10])


def _is_signature(given: str, digest: bytes) -> bool:
    version, _, encoded = given.partition(",")
    return version == "v1" and _same(_decoded(encoded), digest)


def _signing_key(token: str) -> bytes:
    return _decoded(token.removeprefix(SIGNING_TOKEN))


def _azuredevops(headers: Mapping[str, str], body: bytes, trusted: Trusted) -> bool:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    return _same(_decoded(encoded.strip()), ":".join(trusted.azuredevops or ())) and scheme.lower() == "basic"


def _decoded(text: str) -> bytes:
    """Base64, or nothing when it is none."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


_PROOFS: Mapping[str, Callable[[Mapping[str, str], bytes, Trusted], bool]] = {
    "github": _github,
    "gitlab": _gitlab,
    "azuredevops": _azuredevops,
}


# -- payloads --------------------------------------------------------------------------------------------------------


def _payload(body: bytes) -> Any:
    """The JSON of the body. A GitHub webhook sends it inside a form unless it is told otherwise."""
    if body.startswith(b"payload="):
        form = parse_qs(body.decode(), max_num_fields=10)
        return json.loads(form.get("payload", [""])[0])
    return json.loads(body)


def _of_github(headers: Mapping[str, str], event: Mapping[str, Any]) -> list[tuple[Any, Any]] | None:
    return [(event.get("ref"), event.get("after"))] if headers.get("x-github-event") == "push" else None


def _of_gitlab(headers: Mapping[str, str], event: Mapping[str, Any]) -> list[tuple[Any, Any]] | None:
    pushed = headers.get("x-gitlab-event") in ("Push Hook", "Tag Push Hook")
    return [(event.get("ref"), event.get("after"))] if pushed else None


def _of_azuredevops(headers: Mapping[str, str], event: Mapping[str, Any]) -> list[tuple[Any, Any]] | None:
    if event.get("eventType") != "git.push":
        return None
    resource = event.get("resource")
    updates: Any = resource.get("refUpdates") if isinstance(resource, dict) else None
    items: Iterable[Any] = updates if isinstance(updates, list) else ()
    return [(item.get("name"), item.get("newObjectId")) for item in items if isinstance(item, dict)]


_PUSHES: Mapping[str, Callable[[Mapping[str, str], Mapping[str, Any]], list[tuple[Any, Any]] | None]] = {
    "github": _of_github,
    "gitlab": _of_gitlab,
    "azuredevops": _of_azuredevops,
}


def _is_ref(ref: Any) -> bool:
    return isinstance(ref, str) and 0 < len(ref) <= _MAX_REF_LENGTH and ref.isprintable() and ref.startswith("refs/")


def _head(ref: str, commit: Any) -> tuple[str, str]:
    known = isinstance(commit, str) and _COMMIT.fullmatch(commit) and commit.strip("0")
    return ref, commit if known else ""
