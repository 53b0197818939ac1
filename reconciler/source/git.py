"""The git binary: run without a terminal, ended with all that it started, its failures told apart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, SourceUnavailable
from reconciler.source.environ import own
from reconciler.source.failures import failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOCAL_TIMEOUT_S = 300.0
# SSH signatures came with 2.34; configuration by environment, which hides the token, with 2.31.
OLDEST = (2, 34)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a git that ended left behind. A negative status is the signal that ended it."""

    status: int
    stdout: bytes
    stderr: str


async def run_git(
    *arguments: str,
    config: Iterable[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout_s: float = LOCAL_TIMEOUT_S,
    inherited: tuple[int, ...] = (),
) -> Ran:
    """Run git and wait for it; with its children, it ends when this is cancelled or takes too long.

    ``inherited`` are descriptors that it keeps open, so that a lock lasts as long as somebody works under it, even
    when this process is killed. Raises SourceUnavailable for too long, SourceError without a git.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=own(os.environ, config) | dict(environ or {}),
            pass_fds=inherited,
            # A group of its own: Ctrl-C is for us to act on, and a transport dies with its git.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise SourceError(f"git is not installed: a remote source needs git {_version(OLDEST)} or newer") from error
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await process.communicate(stdin or None)
    except TimeoutError as error:
        raise SourceUnavailable(f"git {_command(arguments)} did not end within {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()
    status = process.returncode
    return Ran(1 if status is None else status, stdout, stderr.decode(errors="replace"))


async def check_version() -> None:
    """Raise SourceError for a git that is missing or too old."""
    said = (await run_git("version")).stdout.decode(errors="replace")
    numbers = [part for word in said.split() for part in word.split(".") if word[0].isdigit()]
    found = tuple(int(number) for number in numbers[:2] if number.isdigit())
    if found < OLDEST:
        raise SourceError(f"a remote source needs git {_version(OLDEST)} or newer; found: {said.strip() or 'none'}")


def output_of(ran: Ran, doing: str, secrets: Iterable[str] = ()) -> bytes:
    """What git printed. Raises SourceError, or one below it, when it failed."""
    if ran.status == 0:
        return ran.stdout
    if ran.status < 0:
        raise SourceUnavailable(f"{doing} was ended by signal {-ran.status} (out of memory?). It is tried again")
    raise failure(doing, ran.stderr, secrets=secrets)


def _version(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _command(arguments: tuple[str, ...]) -> str:
    """The subcommand alone: addresses and paths are not for messages."""
    return next((word for word in arguments if not word.startswith("-") and "=" not in word), "")
