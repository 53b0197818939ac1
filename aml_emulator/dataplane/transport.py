"""HTTP to one scoring process, over its unix socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from aml_emulator.dataplane.interface import ScoreRequest, ScoreResponse

if TYPE_CHECKING:
    from pathlib import Path

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
    }
)
# The endpoint's key or token is between the caller and the front door; that scripts never see it is assumed.
_NOT_FOR_THE_SCRIPT = _HOP_BY_HOP | {"authorization", "host"}
# Written by gunicorn, replaced by Azure's front door (Server: azureml-frontdoor in recorded traffic).
_NOT_FOR_THE_CALLER = _HOP_BY_HOP | {"server", "date"}
# Names under which the platform speaks; a container must not speak in its name.
_PLATFORM_PREFIX = "ms-azureml-"


class Transport:
    """A client of one process. Connection errors are aiohttp.ClientError."""

    def __init__(self, socket: Path) -> None:
        # One connection per request, as gunicorn's sync worker closes each of them anyway.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket), limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )

    async def ask(self, request: ScoreRequest) -> ScoreResponse:
        """Send one request and read all of its answer."""
        query = f"?{request.query}" if request.query else ""
        async with self._session.request(
            request.method,
            URL(f"http://scoring{request.path}{query}", encoded=True),
            headers={k: v for k, v in request.headers.items() if k.lower() not in _NOT_FOR_THE_SCRIPT},
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            headers: dict[str, str] = {}
            for name, value in response.headers.items():
                lower = name.lower()
                if lower not in _NOT_FOR_THE_CALLER and not lower.startswith(_PLATFORM_PREFIX):
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
            return ScoreResponse(response.status, headers, await response.read())

    async def healthy(self) -> bool:
        """Whether the health route answers 200. The caller bounds the time."""
        try:
            answer = await self.ask(ScoreRequest("GET", "/", "", {}, b""))
        except aiohttp.ClientError:
            return False
        return answer.status == 200

    async def close(self) -> None:
        """Give up the connections."""
        await self._session.close()
