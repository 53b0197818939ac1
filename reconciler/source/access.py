"""How git signs in. A token is only ever in the environment of the git that needs it, and goes to one host alone."""

from __future__ import annotations

import base64
import ipaddress
import os
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from reconciler.errors import SourceError, UsageError
from reconciler.source.address import Address, address_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.loop import GitSource, Secret

# git asks its credential helper for what the server wants; this one answers from its environment (gitcredentials(7)).
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$AML_GITOPS_GIT_USERNAME" "$AML_GITOPS_GIT_TOKEN"'
    "; }; f"
)


@dataclass(frozen=True, slots=True)
class Access:
    """An address, and what signs in there. ``repr`` holds no secret.

    ``local`` is whether a repository on this machine may be read: never because another repository says so.
    """

    address: Address
    username: str = ""
    token: Hidden | None = None
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    ca_file: Path | None = None
    local: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        """All forms in which the token could show up."""
        if self.token is None:
            return frozenset()
        token = self.token.value
        basic = base64.b64encode(f"{self.username}:{token}".encode()).decode()
        return frozenset({token, quote(token, safe=""), basic})

    @property
    def config(self) -> tuple[tuple[str, str], ...]:
        """Git's settings for it; none is a secret."""
        settings: list[tuple[str, str]] = []
        if self.token is not None:
            settings.append((f"credential.{self.address.scheme}://{self.address.place}.helper", _HELPER))
        if self.ca_file is not None:
            settings.append(("http.sslCAInfo", str(self.ca_file)))
        return tuple(settings)

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables of a git that goes to the network for it."""
        told = {
            "GIT_SSH_COMMAND": shlex.join(self._ssh()),
            "GIT_SSH_VARIANT": "ssh",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh" + ":file" * self.local,
        }
        if self.token is not None:
            told |= {"AML_GITOPS_GIT_USERNAME": self.username, "AML_GITOPS_GIT_TOKEN": self.token.value}
        return told

    def to_submodule(self, address: Address) -> Access:
        """The same for another repository: what signs in goes along only to the same host."""
        if address.beside(self.address):
            return replace(self, address=address)
        return replace(self, address=address, username="", token=None, ssh_key=None, local=False)

    def _ssh(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "30",
            "ServerAliveInterval": "15",
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
        }
        if self.ssh_key is not None:
            options |= {"IdentitiesOnly": "yes", "IdentityAgent": "none", "IdentityFile": f'"{self.ssh_key}"'}
        if self.known_hosts is not None:
            options |= {"UserKnownHostsFile": f'"{self.known_hosts}"', "GlobalKnownHostsFile": os.devnull}
        return ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]


@dataclass(frozen=True, slots=True, repr=False)
class Hidden:
    """A value that no ``repr`` shows."""

    value: str

    def __repr__(self) -> str:
        return "(sensitive)"


def address_in(settings: GitSource, folder: Path) -> Address:
    """The address that loop.yaml in ``folder`` names. Raises SourceError."""
    url = settings.url
    if url.startswith("."):
        url = str((folder / url).resolve())
    address = address_of(url, "`source.url` in loop.yaml")
    if settings.token is not None and address.scheme not in ("https", "http"):
        raise SourceError(f"`source.token` in loop.yaml is for https, and `source.url` is {address.scheme}")
    if settings.token is not None and address.scheme == "http" and not _on_this_machine(address):
        raise SourceError("`source.url` in loop.yaml is http: the token would be readable on its way; use https")
    if settings.ssh_key is not None and address.scheme != "ssh":
        raise SourceError(f"`source.ssh_key` in loop.yaml is for ssh, and `source.url` is {address.scheme}")
    return address


def access_of(settings: GitSource, address: Address, folder: Path, reveal: Callable[[Secret], str]) -> Access:
    """What signs in, read anew. Raises UsageError for a secret or a file that is not there."""
    token = None if settings.token is None else reveal(settings.token)
    username = address.user or settings.username
    if not (token or "").isprintable() or not username.isprintable():
        raise UsageError("`source.token` in loop.yaml leads to a value with a line break or control characters in it")
    return Access(
        address,
        username,
        None if token is None else Hidden(token),
        _file(settings.ssh_key, "ssh_key", folder),
        _file(settings.known_hosts, "known_hosts", folder),
        _file(settings.ca_file, "ca_file", folder),
        local=address.scheme == "file",
    )


def _file(name: str | None, setting: str, folder: Path) -> Path | None:
    if name is None:
        return None
    path = (folder / name).resolve()
    if not path.is_file():
        raise UsageError(f"`source.{setting}` in loop.yaml names {path}, and there is no such file")
    if '"' in str(path):
        raise UsageError(f"`source.{setting}` in loop.yaml names a file with a quote in its path")
    return path


def _on_this_machine(address: Address) -> bool:
    host = urlsplit(address.url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
