"""ssh as the transport: a real sshd where there is one; where not, what ssh is told is still looked at."""

import getpass
import os
import pwd
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from git_server import GITOPS, Repository, needs_git

from reconciler.errors import SourceError, SourceUnavailable, UsageError
from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource

pytestmark = needs_git
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _privilege_user():
    """An sshd of root wants its own user; that of anybody else does not."""
    try:
        return os.geteuid() != 0 or pwd.getpwnam("sshd")
    except KeyError:
        return None


needs_sshd = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and _privilege_user()), reason="there is no sshd that can be started here"
)


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "served/shop.git", tmp_path / "work")
    made.commit({"gitops.yaml": GITOPS})
    return made


@pytest.fixture
async def opened(tmp_path):
    sources = []

    def open_one(folder="clone", **settings):
        sources.append(RemoteSource(GitSource(**settings), tmp_path / folder, tmp_path, lambda secret: ""))
        return sources[-1]

    yield open_one
    for source in sources:
        await source.close()


def key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


class Sshd:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        host, self.key = key(folder / "host"), key(folder / "user")
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        (folder / "authorized").chmod(0o600)
        (folder / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {host}\nAuthorizedKeysFile {folder}/authorized\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        self.known = f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}"
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE, text=True
        )
        for line in self._process.stderr:
            if "listening" in line:
                return
        raise AssertionError("sshd did not start")

    def url(self, path):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()


@pytest.fixture
def sshd(tmp_path):
    started = Sshd(tmp_path / "sshd")
    yield started
    started.close()


@needs_sshd
async def test_key_signs_in_to_a_known_host(opened, repository, sshd, tmp_path):
    (tmp_path / "known").write_text(sshd.known)
    settings = {"url": sshd.url(repository.bare), "ssh_key": "sshd/user", "known_hosts": "known"}
    source = opened(**settings)
    assert (await source.latest()).revision == repository.head
    repository.commit({"a": "1"})
    assert (await source.latest()).revision == repository.head


@needs_sshd
async def test_host_that_is_not_known_and_key_that_is_not(opened, repository, sshd, tmp_path):
    (tmp_path / "known").write_text("")
    (tmp_path / "right").write_text(sshd.known)
    key(tmp_path / "other")
    url = sshd.url(repository.bare)
    with pytest.raises(SourceError, match="the server's key is not the known one") as caught:
        await opened("a", url=url, ssh_key="sshd/user", known_hosts="known").latest()
    assert not caught.value.transient
    with pytest.raises(SourceError, match="ssh could not sign in") as caught:
        await opened("b", url=url, ssh_key="other", known_hosts="right").latest()
    assert not caught.value.transient
    with pytest.raises(SourceError, match="look at `url`") as caught:
        await opened("c", url=url + "x", ssh_key="sshd/user", known_hosts="right").latest()
    assert not caught.value.transient
    sshd.close()
    with pytest.raises(SourceUnavailable, match="It is tried again"):
        await opened("d", url=url, ssh_key="sshd/user", known_hosts="right").latest()


@pytest.fixture
def told(tmp_path, monkeypatch):
    """An ``ssh`` before all others in PATH, which writes down what it is told and runs the command here."""
    (tmp_path / "bin").mkdir()
    said = tmp_path / "said"
    fake = tmp_path / "bin/ssh"
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {shlex.quote(str(said))}\nfor last in "$@"; do :; done\n'
        f'cd {shlex.quote(str(tmp_path / "served"))} && eval "$last"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    return said


async def test_what_ssh_is_told(opened, repository, tmp_path, told):
    for name in ("a key", "known"):
        (tmp_path / name).touch()
    source = opened(url=f"ann@example.org:{repository.bare}", ssh_key="a key", known_hosts="known")
    assert (await source.latest()).revision == repository.head
    for line in told.read_text().splitlines():
        for option in (
            "BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", f'IdentityFile="{tmp_path}/a key"',
            f'UserKnownHostsFile="{tmp_path}/known"', "GlobalKnownHostsFile=/dev/null", "ForwardAgent=no",
        ):  # fmt: skip
            assert f"-o {option}" in line
        assert "ann@example.org" in line


async def test_address_of_azure_devops(opened, repository, told, tmp_path):
    (tmp_path / "served/v3/acme/ml").mkdir(parents=True)
    (tmp_path / "served/v3/acme/ml/shop").symlink_to(repository.bare)
    assert (await opened(url="git@ssh.dev.azure.com:v3/acme/ml/shop").latest()).revision == repository.head
    assert "git@ssh.dev.azure.com git-upload-pack 'v3/acme/ml/shop'" in told.read_text()


async def test_key_file_that_is_not_there(opened, repository):
    with pytest.raises(UsageError, match=r"`source.ssh_key` in loop.yaml names .*nokey, and there is no such file"):
        await opened(url=f"git@example.org:{repository.bare}", ssh_key="nokey").latest()
