"""Who signed a commit, and whether that is somebody whom loop.yaml trusts. GPG and SSH, checked by git itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SignatureRefused, SourceError, UsageError
from reconciler.source.environ import own
from reconciler.source.failures import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from reconciler.source.mirror import Mirror
    from schemas.loop import Verify

# gpg asks nobody, fetches nothing, starts nothing. All keys in the ring are trusted; which those are is decided here.
_GPG_CONF = "batch\nno-tty\ntrust-model always\nno-auto-key-retrieve\nno-auto-key-import\nno-autostart\n"
_GPG_TIMEOUT_S = 60.0
# Lines of `verify-commit --raw`: gpg's own status (doc/DETAILS of GnuPG), or what git writes for ssh-keygen's answer.
_GPG_GOOD = re.compile(r"^\[GNUPG:\] GOODSIG ", re.MULTILINE)
_GPG_VALID = re.compile(r"^\[GNUPG:\] VALIDSIG (?P<key>[0-9A-F]{40,64}) ", re.MULTILINE)
_GPG_WRONG = {
    "BADSIG": "its signature is bad: the commit was changed after it was signed",
    "EXPSIG": "its signature has expired",
    "EXPKEYSIG": "the key that signed it has expired",
    "REVKEYSIG": "the key that signed it was revoked",
    "KEYREVOKED": "the key that signed it was revoked",
    "NO_PUBKEY": "it is signed with a GPG key that is not among the allowed ones",
    "ERRSIG": "its GPG signature cannot be checked",
}
_GPG_STATUS = re.compile(r"^\[GNUPG:\] (?P<word>[A-Z_]+)(?: (?P<key>[0-9A-F]{16,64}))?", re.MULTILINE)
_SSH_GOOD = re.compile(r'^Good "git" signature for (?P<who>.+) with (?P<kind>\S+) key (?P<key>\S+)$', re.MULTILINE)
_SSH_UNKNOWN = re.compile(r'^Good "git" signature with (?P<kind>\S+) key (?P<key>\S+)$', re.MULTILINE)
_LISTED = 8


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count: the contents of the files that loop.yaml names, and the names in them for people."""

    signers: bytes | None
    keys: bytes | None

    @property
    def digest(self) -> str:
        """Changes when the files do."""
        return hashlib.sha256(repr((self.signers, self.keys)).encode()).hexdigest()


def trust_of(verify: Verify, folder: Path) -> Trust:
    """Read the files that say whom to trust, relative to ``folder``. Raises UsageError."""
    return Trust(_read(verify.allowed_signers, "allowed_signers", folder), _read(verify.gpg_keys, "gpg_keys", folder))


async def check(mirror: Mirror, trust: Trust, commit: str, tag: str, ref: str) -> str:
    """Return who signed: the commit itself, or the annotated tag ``tag`` that ``ref`` leads to.

    A tag counts only under the name that was signed with it, or an old one could be pushed under a new name.
    Raises SignatureRefused, and UsageError for keys that cannot be used.
    """
    async with _keyring(trust) as (config, environ, allowed):
        ran = await mirror.run(*config, "verify-commit", "--raw", commit, environ=environ)
        who, wrong = judge(ran.status, ran.stderr)
        if who:
            return who
        if tag:
            ran = await mirror.run(*config, "verify-tag", "--raw", tag, environ=environ)
            who, tag_wrong = judge(ran.status, ran.stderr)
            named = await _name_of(mirror, tag)
            if who and f"refs/tags/{named}" == ref:
                return who
            also = f"it was signed as {named}" if who else tag_wrong
            wrong = f"{wrong}; and of the tag {ref.removeprefix('refs/tags/')}: {also}"
    raise SignatureRefused(
        f"commit {commit} of {mirror.access.address.shown} is refused: {wrong}. Allowed are: {allowed}. Fix: have it "
        "signed by one of them (git commit -S, or a signed tag) and push, or add the signer to the files under "
        "`source.verify` in loop.yaml"
    )


def judge(status: int, said: str) -> tuple[str, str]:
    """Who signed, by what ``git verify-commit --raw`` ends with and says; or nobody, and what is wrong."""
    words = {match["word"]: match["key"] or "" for match in _GPG_STATUS.finditer(said)}
    for word, wrong in _GPG_WRONG.items():
        if word in words:
            return "", f"{wrong} ({words[word]})" if words[word] else wrong
    valid = _GPG_VALID.search(said)
    if status == 0 and valid and _GPG_GOOD.search(said):
        return f"GPG key {valid['key']}", ""
    ssh = _SSH_GOOD.search(said)
    if status == 0 and ssh:
        return f"{ssh['who']} (SSH key {ssh['key']})", ""
    unknown = _SSH_UNKNOWN.search(said)
    if unknown:
        return "", f"it is signed with an SSH key that is not among the allowed ones ({unknown['key']})"
    if ssh or "Signature verification failed" in said or "Could not verify signature" in said:
        return "", "its SSH signature is bad, or not valid at the time of the commit"
    if "allowedSignersFile" in said:
        return "", "it is signed with an SSH key, and `verify` names no `allowed_signers`"
    # gpg --raw of an unsigned commit says nothing at all; of an unsigned tag, that there is none.
    unsigned = not said.strip() or "no signature found" in said
    return "", "it is not signed" if unsigned else f"its signature cannot be checked: {told(said)}"


async def _name_of(mirror: Mirror, tag: str) -> str:
    head = (await mirror.ask("cat-file", "tag", tag)).partition(b"\n\n")[0]
    names = [line.removeprefix(b"tag ") for line in head.splitlines() if line.startswith(b"tag ")]
    return os.fsdecode(names[0]) if names else ""


@contextlib.asynccontextmanager
async def _keyring(trust: Trust) -> AsyncIterator[tuple[tuple[str, ...], dict[str, str], str]]:
    """Git's options and environment that make only the trusted keys count, and who they are for people."""
    home = Path(tempfile.mkdtemp(prefix="amlg-"))
    try:
        (home / "gpg.conf").write_text(_GPG_CONF)
        signers = home / "allowed_signers"
        signers.write_bytes(trust.signers or b"")
        allowed = [f"{name} (SSH)" for name in _principals(trust.signers or b"")]
        if trust.keys is not None:
            allowed += await _import(trust.keys, home)
        config = [
            ("gpg.program", "gpg"),
            ("gpg.ssh.program", "ssh-keygen"),
            ("gpg.x509.program", "false"),
            ("gpg.minTrustLevel", "fully"),
        ]
        if trust.signers is not None:
            config.append(("gpg.ssh.allowedSignersFile", str(signers)))
        options = tuple(word for name, value in config for word in ("-c", f"{name}={value}"))
        more = f" and {len(allowed) - _LISTED} more" if len(allowed) > _LISTED else ""
        yield options, {"GNUPGHOME": str(home)}, (", ".join(allowed[:_LISTED]) + more) or "nobody"
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _import(keys: bytes, home: Path) -> list[str]:
    """Fill the ring. Returns who is in there. Raises UsageError when nobody is, SourceError without a gpg."""
    status, _, said = await _gpg(home, "--import", stdin=keys)
    _, listed, _ = await _gpg(home, "--with-colons", "--fingerprint", "--list-keys")
    rows = [line.split(":") for line in listed.splitlines()]
    prints = [rows[at + 1][9] for at, row in enumerate(rows[:-1]) if row[0] == "pub" and rows[at + 1][0] == "fpr"]
    if not prints:
        raise UsageError(
            f"the file that `source.verify.gpg_keys` in loop.yaml names holds no public key (gpg ended with {status}: "
            f"{told(said)}); write it with gpg --armor --export"
        )
    names = [row[9].replace(r"\x3a", ":") for row in rows if row[0] == "uid"]
    return [f"{name} (GPG)" for name in names] or [f"GPG key {key}" for key in prints]


async def _gpg(home: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            "gpg", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=own(os.environ) | {"GNUPGHOME": str(home)},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SourceError("gpg is not installed: `source.verify.gpg_keys` in loop.yaml needs it") from error
    try:
        async with asyncio.timeout(_GPG_TIMEOUT_S):
            printed, said = await process.communicate(stdin)
    except TimeoutError as error:
        raise SourceError(f"gpg did not read the keys within {_GPG_TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode or 0, printed.decode(errors="replace"), said.decode(errors="replace")


def _principals(signers: bytes) -> list[str]:
    """Who is in an allowed signers file (ssh-keygen(1)): the first word of each line."""
    lines = (line.strip() for line in signers.decode(errors="replace").splitlines())
    return [told(line.split()[0].strip('"')) for line in lines if line and not line.startswith("#")]


def _read(name: str | None, setting: str, folder: Path) -> bytes | None:
    if name is None:
        return None
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {folder / name}, which `source.verify.{setting}` in loop.yaml names: {error.strerror}"
        ) from error
