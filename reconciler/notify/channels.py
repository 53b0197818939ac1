"""Messages to people: Slack, Teams, and a JSON document for whatever else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from reconciler.errors import UsageError
from reconciler.notify import payloads
from reconciler.notify.forges import credentials_of, secure
from reconciler.notify.request import Call, ask_again

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from reconciler.notify.request import Answer
    from reconciler.notify.rules import Message

Channel = Literal["slack", "teams", "webhook"]

_PAYLOADS = {"slack": payloads.slack, "teams": payloads.teams, "webhook": payloads.webhook}


def check_address(channel: Channel, url: str) -> None:
    """Raise UsageError, without the address, unless a message can be sent there without showing it to the network.

    A generic webhook may be plain http: within a private network it is the team's to decide.
    """
    if not secure(url, plain_http=channel == "webhook"):
        wanted = "http:// or https://" if channel == "webhook" else "https://"
        raise UsageError(f"the address of a {channel} notification must be a URL that begins with {wanted}")


async def send(session: ClientSession, channel: Channel, url: str, message: Message, *, pause_s: float = 1.0) -> Answer:
    """POST a message; three tries at most. Raises UsageError for an address that is none, nothing else."""
    check_address(channel, url)
    address, authorization = credentials_of(url)
    call = Call("POST", address, json=_PAYLOADS[channel](message), authorization=authorization)
    return await ask_again(session, call, pause_s=pause_s)
