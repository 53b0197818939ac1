"""Lists: pages, filters and ``nextLink``."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus

from aml_emulator.errors import Refused
from aml_emulator.wire import Body, Response, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aml_emulator.call import Call
    from aml_emulator.store import Record

PAGING = ("$skiptoken", "$skip")


def list_answer(
    call: Call,
    parent: str,
    kind: str,
    present: Callable[[Record], Body],
    keep: Callable[[Record], bool],
    *,
    newest_first: bool,
    size: int | None = None,
) -> Response:
    """One page of resources. A page is as long as ``size`` (default: the emulator's); filters do not shorten it."""
    limit = size or call.site.settings.page_size
    after = _token_in(call)
    value: list[Body] = []
    while True:
        page, more = call.site.store.page(parent, kind, limit=limit, after=after, newest_first=newest_first)
        for index, record in enumerate(page):
            after = record.seq
            if keep(record):
                value.append(present(record))
            if len(value) == limit:
                rest = more or index + 1 < len(page)
                return answer(200, _page(call, value, after if rest else None))
        if not more:
            return answer(200, _page(call, value, None))


def _page(call: Call, value: list[Body], after: int | None) -> Body:
    # On the last page nextLink is absent, not null (recorded).
    return {"value": value} if after is None else {"value": value, "nextLink": _next_link(call, after)}


def _next_link(call: Call, after: int) -> str:
    """Absolute, keeps the api-version and the filters (a space as ``+``, as recorded), adds ``$skipToken``."""
    parts = call.request.parts()
    kept = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key.lower() not in PAGING]
    kept.sort(key=lambda pair: pair[0] != "api-version")
    token = base64.b64encode(f"seq:{after}".encode()).decode()
    query = "&".join([f"{key}={quote_plus(value)}" for key, value in kept] + [f"$skipToken={quote(token, safe='')}"])
    return f"{call.request.authority()}{parts.path}?{query}"


def _token_in(call: Call) -> int:
    query = call.request.query()
    token = next((query[name] for name in PAGING if query.get(name)), "")
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("seq:"))
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "UserError", "The continuation token is not valid.") from error


def top(call: Call, name: str = "$top") -> int | None:
    """The page size asked for, if any. Raises Refused (400) when it is not a positive number."""
    asked = call.request.query().get(name)
    if asked is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", asked) or int(asked) == 0:
        raise Refused(400, "UserError", f"{name} must be a positive number.")
    return int(asked)
