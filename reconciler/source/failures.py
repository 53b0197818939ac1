"""What git's own words mean: may it pass by itself, or must somebody do something. PURE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source.address import without_user

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 400
_SENSITIVE = "(sensitive)"


class Unclear(SourceUnavailable):
    """git failed, and its words do not tell why: our own copy may be damaged, so a new one is worth a try."""


# Git's messages with LC_ALL=C (2.39), curl's and OpenSSH's (9.2) behind them, and what forges send. First match counts:
# ssh says both why it failed and that the repository could not be read.
_FINAL: tuple[tuple[str, str], ...] = (
    (
        (
            r"Authentication failed|HTTP Basic: Access denied|(error:|HTTP) 401\b|_signin"
            r"|Invalid username or (password|token)"
        ),
        "the server does not know the token: look at `token` and `username`, and whether the token has expired",
    ),
    (
        r"could not read (Username|Password)|terminal prompts disabled",
        "the server wants a token: name it with `token`; it is shown to no other host than that of `url`",
    ),
    (r"(error:|HTTP) 403\b|TF401027|Write access to repository not granted", "the token may not read this repository"),
    (
        (
            r"(error:|HTTP) 404\b|[Rr]epository .*not found|TF401019|does not appear to be a git repository"
            r"|project you were looking for could not be found|no such file or directory.*git-upload-pack"
        ),
        "look at `url`; a forge also answers so when the token, or the key, may not see the repository",
    ),
    (
        r"Permission denied \(|Load key .*(invalid format|bad permissions|error in libcrypto)|UNPROTECTED PRIVATE KEY",
        (
            "ssh could not sign in: look at `ssh_key` (no passphrase, readable by its owner only) and whether the "
            "forge knows its public half"
        ),
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No .* host key is known",
        (
            "the server's key is not the known one: put it into the file that `known_hosts` names (ssh-keyscan, and "
            "compare it with what the forge publishes)"
        ),
    ),
    (
        (
            r"SSL certificate problem|server certificate verification failed|certificate subject name|no alternative "
            r"certificate subject name"
        ),
        "the server's certificate is not trusted: name its authority with `ca_file`",
    ),
    (r"error setting certificate (file|verify)|Problem with the SSL CA cert", "the file of `ca_file` cannot be used"),
    (
        r"not valid: .*is this a git repository|unable to update url base|invalid (server response|content-type)",
        "what answered is no Git server: look at `url`, at a proxy in between, and whether the token has expired",
    ),
    (r"transport '.*' not allowed", "use https, ssh or a local path"),
    (r"dumb http transport does not support", "the server speaks only the old HTTP protocol: use one that is current"),
    (r"dubious ownership", "the repository belongs to another user: change its owner, or fetch it by ssh or https"),
)
_PASSING = re.compile(
    r"[Cc]ould not resolve (host|proxy)|Temporary failure in name resolution|Failed to connect|Couldn't connect"
    r"|Connection (refused|reset|timed out|closed)|[Oo]peration (timed out|too slow)|No route to host"
    r"|Network is unreachable|Empty reply from server|[Cc]ould not connect to server|HTTP/2 stream|Recv failure"
    r"|Send failure|SSL_ERROR_SYSCALL|TLS connection|gnutls_handshake|SSL_connect|unexpected eof while reading"
    r"|error: (408|425|429|5\d\d)\b|HTTP (408|429|5\d\d)|RPC failed|early EOF|hung up|unexpected disconnect"
    r"|transfer closed|kex_exchange_identification|ssh: connect to host|Connection to .* closed|ssh_exchange"
    r"|Proxy CONNECT aborted|Received HTTP code 5\d\d from proxy|couldn't find remote ref|Server is too busy"
)
_OURS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Permission denied$", re.MULTILINE
)


def failure(doing: str, stderr: str, *, secrets: Iterable[str] = ()) -> SourceError:
    """The error for a git that failed. ``doing`` begins the message: what was tried, and with what."""
    said = told(stderr, secrets)
    if _OURS.search(stderr) and "publickey" not in stderr:
        return SourceUnavailable(f"{doing} failed on this machine: {said}. Look at the folder that `folder` names")
    for pattern, fix in _FINAL:
        if re.search(pattern, stderr):
            return SourceError(f"{doing} failed: {said}. Fix: {fix}")
    if _PASSING.search(stderr):
        return SourceUnavailable(f"{doing} failed: {said}. It is tried again")
    return Unclear(f"{doing} failed: {said}")


def told(stderr: str, secrets: Iterable[str] = ()) -> str:
    """Git's own words on one line, without secrets, and not without end."""
    text = " ".join(line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("hint:"))
    # The longest first: one secret may be part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _SENSITIVE) if secret else text
    text = "".join(character if character.isprintable() else "?" for character in without_user(text))
    text = text.rstrip(".") or "git gave no reason"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 2 :]}"
