"""One comment on a pull request for each key: found by its mark, edited in place, never a second one."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from reconciler.errors import ForgeError, UsageError
from reconciler.notify.cut import cut
from reconciler.notify.payloads import plain
from reconciler.notify.request import LONGEST_WAIT_S, TRIES, Call, ask, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import ClientSession

    from reconciler.notify.forges import Forge, ForgeName

LIMITS: Mapping[ForgeName, int] = {"github": 65_536, "gitlab": 1_000_000, "azuredevops": 150_000}
"""What a comment may have: GitHub says so in its error text, GitLab in docs.gitlab.com (instance limits); for Azure
DevOps see docs/notifications.md."""

MOST_PAGES = 100
_HELP = {
    401: "the token is not accepted: it expired, or is for another server",
    403: "the token may not do this: see what it needs in docs/notifications.md",
    404: "not found, or the token may not see it: look at the repository and at the number of the pull request",
}


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of ours: what the forge calls it, and its text as the forge has it."""

    id: str
    body: str


class Conversation(Protocol):
    """The comments of one pull request. Its calls raise ForgeError."""

    async def ours(self, mark: str) -> list[Comment]:
        """Comments that begin with ``mark`` and that this token's own identity wrote, the oldest first."""

    async def create(self, body: str) -> None:
        """Write a new comment."""

    async def edit(self, comment: Comment, body: str) -> None:
        """Replace the text of a comment."""

    async def delete(self, comment: Comment) -> None:
        """Remove a comment."""


Done = Literal["created", "updated", "unchanged"]


def mark_of(key: str) -> str:
    """The invisible first line. Raises UsageError for a key that could end it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", key) or "--" in key:
        raise UsageError(f"--key '{plain(key, 100)}': up to 100 letters, digits, `.`, `_`, `/` and single `-`")
    return f"<!-- aml-gitops:{key} -->"


async def put_comment(
    conversation: Conversation, name: ForgeName, key: str, text: str, *, pause_s: float = 2.0
) -> Done:
    """Make the one comment of this key say ``text``. Nothing is written when it does. Raises ForgeError, UsageError.

    Tried again as a whole, so that a comment whose answer was lost is found rather than written twice. When two
    pipelines write the first one at once, the older comment stays and the other is removed.
    """
    mark = mark_of(key)
    body = cut(f"{mark}\n{text}", LIMITS[name])
    for attempt in range(1, TRIES):
        try:
            return await _put(conversation, mark, body)
        except ForgeError as error:
            if not error.transient:
                raise
            await asyncio.sleep(min(error.retry_after_s or pause_s * attempt, LONGEST_WAIT_S))
    return await _put(conversation, mark, body)


async def _put(conversation: Conversation, mark: str, body: str) -> Done:
    found = await conversation.ours(mark)
    done: Done = "unchanged"
    if not found:
        await conversation.create(body)
        found = await conversation.ours(mark)
        done = "created"
    if found and _same(found[0].body) != _same(body):
        await conversation.edit(found[0], body)
        done = "created" if done == "created" else "updated"
    for surplus in found[1:]:
        await conversation.delete(surplus)
    return done


def _same(body: str) -> str:
    """The text without what forges change on their own: line ends, and space at the ends of lines and of the text."""
    return "\n".join(line.rstrip() for line in body.strip().split("\n"))


async def asked(
    session: ClientSession, forge: Forge, method: str, url: str, body: Any = None, *, gone_is_fine: bool = False
) -> tuple[Any, Mapping[str, str]]:
    """Call the forge; return the JSON of the answer and its headers. Raises ForgeError with what to do about it."""
    answer = await ask(session, Call(method, url, body, forge.authorization, forge.headers))
    if gone_is_fine and answer.status == 404:
        return None, answer.headers
    if answer.ok:
        try:
            return json.loads(answer.body) if answer.body.strip() else None, answer.headers
        except ValueError:
            raise ForgeError(
                f"{forge.title} answered something that is not JSON; is the API's address right?"
            ) from None
    if not answer.status:
        raise ForgeError(
            f"{forge.title} at {urlsplit(forge.api).hostname} did not answer: {answer}. Look at the network, at the "
            "proxy variables (HTTPS_PROXY, NO_PROXY) and at the certificates of this machine",
            transient=True,
        )
    said = _said(answer.body).replace(forge.token, "(secret)")
    parts = [str(answer), said, "a rate limit" if answer.limited else _help(answer.status)]
    raise ForgeError(
        f"{forge.title} did not take it: {'; '.join(part for part in parts if part)}",
        transient=answer.transient or answer.limited,
        retry_after_s=retry_after_s(answer.headers),
    )


def _help(status: int) -> str:
    if 300 <= status < 400:
        return "it points elsewhere, and a token is not sent after that: was the repository renamed?"
    # Azure DevOps answers a token that it does not know with 203 and a sign-in page.
    return _HELP.get(401 if status == 203 else status, "")


def _said(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    said = document.get("message") or document.get("error") or ""
    return plain(said if isinstance(said, str) else json.dumps(said), 300)
