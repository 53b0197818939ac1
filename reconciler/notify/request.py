"""One HTTP request to somebody else's service, with no way for an address or a token to get into a text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession

TIMEOUT_S = 10.0
TRIES = 3
LONGEST_WAIT_S = 30.0
MOST_BYTES = 64 * 2**20
"""A page of 100 comments of GitHub may have 25 MB; more than this is no answer that we asked for."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request. Address and authorization are secrets or may hold one: neither is part of its repr."""

    method: str
    url: str = field(repr=False)
    json: Any = field(default=None, repr=False)
    authorization: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Status 0 is no answer; ``cause`` then says why, without the address."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done. Azure DevOps answers a token that it does not know with 203 and a sign-in page."""
        return 200 <= self.status < 300 and self.status != 203

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, 408, 425, 429) or self.status >= 500

    @property
    def limited(self) -> bool:
        """Whether this is a rate limit. GitHub says so with 403 too, by its headers."""
        spent = self.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in self.headers
        return self.status == 429 or (self.status == 403 and spent)

    def __str__(self) -> str:
        return f"HTTP {self.status}" if self.status else self.cause


def open_session(timeout_s: float = TIMEOUT_S) -> ClientSession:
    """A session that honours the proxies of the environment, verifies TLS, and keeps no cookies. Close it."""
    import aiohttp

    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        trust_env=True,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "aml-gitops"},
    )


async def ask(session: ClientSession, call: Call) -> Answer:
    """Send it once. Redirects are not followed: they would carry the token elsewhere. Raises nothing but cancellation.

    ``authorization`` is all the authorization that is sent: what ~/.netrc has for the host is left out.
    """
    import aiohttp

    async def only_ours(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        request.headers.pop("Authorization", None)
        if call.authorization:
            request.headers["Authorization"] = call.authorization
        return await send(request)

    try:
        async with session.request(
            call.method,
            call.url,
            json=call.json,
            headers=call.headers,
            allow_redirects=False,
            middlewares=(only_ours,),
        ) as response:
            body = await response.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
                body += more
            if len(body) > MOST_BYTES:
                return Answer(0, cause="the answer is too large")
            return Answer(response.status, body, {name.lower(): value for name, value in response.headers.items()})
    except TimeoutError:
        return Answer(0, cause="timed out")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Only its type: the text of most of them has the address in it.
        return Answer(0, cause=f"no answer ({type(error).__name__})")


async def ask_again(
    session: ClientSession, call: Call, *, pause_s: float, unless: Callable[[Answer], bool] = lambda _: False
) -> Answer:
    """Send it up to three times while that may help, pausing as long as the answer wishes, at most 30 s."""
    answer = await ask(session, call)
    for attempt in range(1, TRIES):
        if not answer.transient or unless(answer):
            break
        await asyncio.sleep(min(retry_after_s(answer.headers) or pause_s * 2 ** (attempt - 1), LONGEST_WAIT_S))
        answer = await ask(session, call)
    return answer


def retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float:
    """Seconds that Retry-After asks for, a number or a date; 0 without one that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, then_s - (time.time() if now_s is None else now_s))
