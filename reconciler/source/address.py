"""Addresses of Git repositories: what they say, what they must not say. PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from reconciler.errors import SourceError

Scheme = Literal["https", "http", "ssh", "file"]

_SCP = re.compile(r"(?:(?P<user>[^@:/\s]+)@)?(?P<host>\[[0-9a-fA-F:]+\]|[^@:/\s\[\]]+):(?P<path>[^\s].*)")
# Prefixes of the tokens of GitHub and GitLab; Azure DevOps and others: nothing but letters and digits, and long.
_TOKEN = re.compile(r"(gh[a-z]_|github_pat_|gl[a-z]{2,5}-).*|[A-Za-z0-9]{40,}")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is. ``place`` is its host, with the port when it has one; empty on this machine.

    ``url`` is for git, ``shown`` is for people and has no user in it.
    """

    url: str
    scheme: Scheme
    place: str = ""
    user: str = ""

    @property
    def shown(self) -> str:
        """The address for messages."""
        return without_user(self.url)

    def beside(self, other: Address) -> bool:
        """Whether what signs in there may be shown here too: the same host, spoken to in the same way."""
        return (self.scheme, self.place) == (other.scheme, other.place)


def without_user(text: str) -> str:
    """The text without user and password in any address in it."""
    return _USERINFO.sub("", text)


def address_of(url: str, said_in: str) -> Address:
    """Read an address. Raises SourceError for one that git must not be given; the message does not repeat it.

    ``said_in`` is the setting it comes from. A local path must be absolute.
    """
    if not url.isprintable() or url.startswith("-"):
        raise SourceError(f"{said_in} is no address of a repository: it begins with '-' or holds control characters")
    if "://" not in url:
        scp = None if url.startswith("/") else _SCP.fullmatch(url)
        if scp:
            if "::" in url:
                raise SourceError(f"{said_in} names a transport helper (`name::...`): use https, ssh or a local path")
            _refuse_options(scp["host"], said_in)
            return Address(url, "ssh", scp["host"].lower(), scp["user"] or "")
        if not url.startswith("/"):
            raise SourceError(f"{said_in} is no address of a repository: use https://, ssh:// or git@host:path")
        return Address(url, "file")
    return _with_scheme(url, said_in)


def _with_scheme(url: str, said_in: str) -> Address:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        place = (f"[{host}]" if ":" in host else host) + ("" if parts.port is None else f":{parts.port}")
    except ValueError as error:
        raise SourceError(f"{said_in} is no valid address: look at its host and port") from error
    scheme = parts.scheme.lower()
    if scheme not in ("https", "http", "ssh", "file"):
        raise SourceError(f"{said_in} begins with {scheme}://; use https, ssh or a local path")
    if parts.password is not None:
        raise SourceError(
            f"{said_in} holds a password; take it out and name where it is to be had: `token: {{env: ...}}` "
            "or `token: {file: ...}`"
        )
    if parts.query or parts.fragment:
        raise SourceError(f"{said_in} has a part after '?' or '#': give the address for `git clone`, not of a page")
    user = parts.username or ""
    if scheme in ("https", "http") and _TOKEN.fullmatch(user):
        raise SourceError(
            f"{said_in} holds a user name that looks like a token; take it out and name where it is to be had: "
            "`token: {env: ...}` or `token: {file: ...}`"
        )
    if scheme == "file":
        if parts.netloc:
            raise SourceError(f"{said_in} is a file:// address with a host: write file:///path, or the path itself")
        return Address(url, "file")
    if not parts.hostname:
        raise SourceError(f"{said_in} names no host")
    _refuse_options(place, said_in)
    return Address(url, "https" if scheme == "https" else "http" if scheme == "http" else "ssh", place, user)


def _refuse_options(host: str, said_in: str) -> None:
    if host.startswith("-"):
        raise SourceError(f"{said_in} names a host that begins with '-'")


def resolved(url: str, parent: Address) -> str:
    """The address of a submodule: ``./x`` and ``../x`` go from the repository that names it (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url
    base = parent.url.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("./"):
            url = url.removeprefix("./")
            continue
        url = url.removeprefix("../")
        cut = max(base.rfind("/"), base.rfind(":"))
        # Above the host there is nothing: the address stays wrong, and git says so.
        if cut > 0 and base[cut - 1 : cut + 1] not in ("//", ":/"):
            base = base[: cut + (base[cut] == ":")]
    return f"{base}{url}" if base.endswith(":") else f"{base}/{url}"
