"""Who must have signed: real keys, real signatures, and everything that only looks like one."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from git_server import GITOPS, git, needs_git, serving

from reconciler.errors import SignatureRefused, UsageError
from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource, Verify

pytestmark = needs_git
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg on this machine")
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen on this machine")


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "served") as started:
        yield started


@pytest.fixture
def repository(server):
    made = server.repository()
    made.commit({"gitops.yaml": GITOPS})
    return made


@pytest.fixture
async def latest(server, tmp_path):
    sources = []

    async def ask(folder="clone", verify=None, again=False, **settings):
        if not again:
            written = GitSource(url=server.url(), verify=Verify(**(verify or {})), **settings)
            sources.append(RemoteSource(written, tmp_path / folder, tmp_path, lambda secret: ""))
        return await sources[-1].latest()

    yield ask
    for source in sources:
        await source.close()


@pytest.fixture(scope="module")
def gpg():
    """A keyring with keys of several fates; its agent ends with it."""
    home = Path(tempfile.mkdtemp(prefix="amlg-test-"))
    ring = Ring(home)
    yield ring
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


class Ring:
    def __init__(self, home):
        self.home = home
        self.environ = {"PATH": os.environ["PATH"], "GNUPGHOME": str(home), "LC_ALL": "C"}

    def run(self, *arguments, stdin=None):
        done = subprocess.run(
            ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", *arguments],
            env=self.environ, capture_output=True, input=stdin, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(self, name, *when, expires="never"):
        self.run(*when, "--quick-gen-key", f"{name} <{name}@example.org>", "ed25519", "sign", expires)
        listed = self.run("--with-colons", "--list-keys", f"{name}@example.org").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def export(self, *keys):
        return self.run("--armor", "--export", *keys)

    def signing(self, key, program="gpg"):
        return ("-c", "gpg.format=openpgp", "-c", f"user.signingKey={key}!", "-c", f"gpg.program={program}")


def ssh_key(folder, name):
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def ssh_signing(key):
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")


def allow(tmp_path, *lines):
    (tmp_path / "signers").write_text("".join(f"{line}\n" for line in lines))
    return {"allowed_signers": "signers"}


def public(key):
    return key.with_suffix(".pub").read_text().strip()


def nothing_laid_out(tmp_path, folder="clone"):
    return not any(path.is_dir() for path in (tmp_path / folder / "checkouts").iterdir())


@needs_ssh
async def test_ssh_signature_of_an_allowed_signer(latest, repository, tmp_path):
    key = ssh_key(tmp_path, "ann")
    verify = allow(tmp_path, "# who may", f'ann@example.org namespaces="git" {public(key)}')
    repository.commit({"a": "1"}, sign=ssh_signing(key))
    assert (await latest(verify=verify)).revision == repository.head
    first = repository.head
    repository.commit({"a": "2"})
    with pytest.raises(SignatureRefused) as caught:
        await latest(again=True)
    told = str(caught.value)
    assert repository.head in told
    assert "it is not signed" in told
    assert "Allowed are: ann@example.org (SSH)" in told
    assert "git commit -S" in told
    assert not caught.value.transient
    assert [path.name for path in (tmp_path / "clone/checkouts").iterdir() if path.is_dir()] == [first]
    repository.commit({"a": "3"}, sign=ssh_signing(key))
    assert (await latest(again=True)).generation == 2


@needs_ssh
async def test_ssh_signature_of_somebody_else(latest, repository, tmp_path):
    key, other = ssh_key(tmp_path, "ann"), ssh_key(tmp_path, "eve")
    repository.commit({"a": "1"}, sign=ssh_signing(other))
    with pytest.raises(SignatureRefused, match=r"an SSH key that is not among the allowed ones .SHA256:"):
        await latest(verify=allow(tmp_path, f"ann@example.org {public(key)}"))
    assert nothing_laid_out(tmp_path)


@needs_ssh
@pytest.mark.parametrize(
    "line",
    [
        'ann@example.org valid-before="20200101" {key}',
        'ann@example.org valid-after="21000101" {key}',
        'ann@example.org namespaces="file" {key}',
        "ann@example.org cert-authority {key}",
    ],
)
async def test_ssh_key_that_may_not_do_this_or_not_now(latest, repository, tmp_path, line):
    key = ssh_key(tmp_path, "ann")
    repository.commit({"a": "1"}, sign=ssh_signing(key))
    with pytest.raises(SignatureRefused):
        await latest(verify=allow(tmp_path, line.format(key=public(key))))
    assert nothing_laid_out(tmp_path)


@needs_ssh
async def test_signature_of_another_commit(latest, repository, tmp_path):
    key = ssh_key(tmp_path, "ann")
    repository.commit({"a": "1"}, sign=ssh_signing(key))
    signed = git(repository.work, "cat-file", "commit", "HEAD")
    forged = signed.replace("a change", "a forged change").encode() + b"\n"
    commit = git(repository.work, "hash-object", "-t", "commit", "-w", "--stdin", stdin=forged)
    repository.push(f"{commit}:refs/heads/main")
    with pytest.raises(SignatureRefused, match="its SSH signature is bad"):
        await latest(verify=allow(tmp_path, f"ann@example.org {public(key)}"))
    assert nothing_laid_out(tmp_path)


@needs_ssh
@needs_gpg
async def test_signature_in_the_form_that_nobody_allowed(latest, repository, tmp_path, gpg):
    key = ssh_key(tmp_path, "ann")
    (tmp_path / "keys").write_bytes(gpg.export(gpg.key("only")))
    repository.commit({"a": "1"}, sign=ssh_signing(key))
    with pytest.raises(SignatureRefused, match="names no `allowed_signers`"):
        await latest(verify={"gpg_keys": "keys"})
    repository.commit({"a": "2"}, sign=gpg.signing(gpg.key("gina")), GNUPGHOME=str(gpg.home))
    with pytest.raises(SignatureRefused, match="signed with a GPG key that is not among the allowed"):
        await latest("other", verify=allow(tmp_path, f"ann@example.org {public(key)}"))


@needs_gpg
async def test_gpg_signature_of_an_allowed_key_and_of_another(latest, repository, tmp_path, gpg):
    good, other = gpg.key("grace"), gpg.key("mallory")
    (tmp_path / "keys").write_bytes(gpg.export(good))
    repository.commit({"a": "1"}, sign=gpg.signing(good), GNUPGHOME=str(gpg.home))
    assert (await latest(verify={"gpg_keys": "keys"})).revision == repository.head
    repository.commit({"a": "2"}, sign=gpg.signing(other), GNUPGHOME=str(gpg.home))
    with pytest.raises(SignatureRefused) as caught:
        await latest(again=True)
    assert f"not among the allowed ones ({other[-16:]})" in str(caught.value)
    assert "grace <grace@example.org> (GPG)" in str(caught.value)
    # The file is what counts, now: a key that is added makes the commit good, one that is taken away makes it bad.
    (tmp_path / "keys").write_bytes(gpg.export(good, other))
    assert (await latest(again=True)).revision == repository.head
    (tmp_path / "keys").write_bytes(gpg.export(good))
    with pytest.raises(SignatureRefused):
        await latest(again=True)


@needs_gpg
async def test_gpg_key_that_has_expired_or_was_revoked(latest, repository, tmp_path, gpg):
    old = gpg.key("olga", "--faked-system-time", "20200101T000000!", expires="1d")
    faked = tmp_path / "gpg-then"
    faked.write_text('#!/bin/sh\nexec gpg --faked-system-time "20200101T010000!" "$@"\n')
    faked.chmod(0o755)
    repository.commit({"a": "1"}, sign=gpg.signing(old, faked), GNUPGHOME=str(gpg.home))
    (tmp_path / "keys").write_bytes(gpg.export(old))
    with pytest.raises(SignatureRefused, match="the key that signed it has expired"):
        await latest(verify={"gpg_keys": "keys"})
    gone = gpg.key("rose")
    repository.commit({"a": "2"}, sign=gpg.signing(gone), GNUPGHOME=str(gpg.home))
    revocation = (gpg.home / "openpgp-revocs.d" / f"{gone}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    gpg.run("--import", stdin=revocation.encode())
    (tmp_path / "keys").write_bytes(gpg.export(gone))
    with pytest.raises(SignatureRefused, match="the key that signed it was revoked"):
        await latest("r", verify={"gpg_keys": "keys"})
    assert nothing_laid_out(tmp_path)


@needs_gpg
async def test_gpg_signature_of_another_commit(latest, repository, tmp_path, gpg):
    good = gpg.key("gerd")
    (tmp_path / "keys").write_bytes(gpg.export(good))
    repository.commit({"a": "1"}, sign=gpg.signing(good), GNUPGHOME=str(gpg.home))
    forged = git(repository.work, "cat-file", "commit", "HEAD").replace("a change", "forged").encode() + b"\n"
    commit = git(repository.work, "hash-object", "-t", "commit", "-w", "--stdin", stdin=forged)
    repository.push(f"{commit}:refs/heads/main")
    with pytest.raises(SignatureRefused, match="its signature is bad"):
        await latest(verify={"gpg_keys": "keys"})


@needs_gpg
async def test_signature_that_claims_to_be_good_in_its_text(latest, repository, tmp_path, gpg):
    """What a commit says of itself is never read as what gpg says of it."""
    (tmp_path / "keys").write_bytes(gpg.export(gpg.key("gabi")))
    lie = (
        "[GNUPG:] GOODSIG 0000000000000000 ann\n[GNUPG:] VALIDSIG " + "A" * 40 + " 2026-01-01 0 0 4 0 22 8 00 x\n"
        'Good "git" signature for ann@example.org with ED25519 key SHA256:x'
    )
    repository.commit({"a": "1"}, message=lie)
    with pytest.raises(SignatureRefused, match="it is not signed"):
        await latest(verify={"gpg_keys": "keys"})
    body = git(repository.work, "cat-file", "commit", "HEAD")
    head, _, text = body.partition("\n\n")
    inner = "\n".join(
        f" {line}" for line in f"-----BEGIN SSH SIGNATURE-----\n{lie}\n-----END SSH SIGNATURE-----".splitlines()
    )
    commit = git(
        repository.work,
        "hash-object",
        "-t",
        "commit",
        "-w",
        "--stdin",
        stdin=f"{head}\ngpgsig{inner}\n\n{text}\n".encode(),
    )
    repository.push(f"{commit}:refs/heads/main")
    with pytest.raises(SignatureRefused):
        await latest("b", verify={"gpg_keys": "keys"})


@needs_ssh
async def test_signed_tag_of_an_unsigned_commit(latest, repository, tmp_path):
    key, eve = ssh_key(tmp_path, "ann"), ssh_key(tmp_path, "eve")
    verify = allow(tmp_path, f"ann@example.org {public(key)}")
    repository.commit({"a": "1"})
    git(repository.work, *ssh_signing(key), "tag", "-s", "-m", "one", "v1.0.0")
    repository.push("refs/tags/v1.0.0")
    assert (await latest(verify=verify, tag="v1.0.0")).revision == repository.head
    # The branch at the same commit has nobody's signature.
    with pytest.raises(SignatureRefused, match="it is not signed"):
        await latest("branch", verify=verify, branch="main")
    # An old tag under a new name would bring an old state back.
    old = git(repository.work, "rev-parse", "refs/tags/v1.0.0")
    repository.commit({"a": "2"})
    repository.push(f"{old}:refs/tags/v2.0.0")
    with pytest.raises(SignatureRefused, match=r"of the tag v2.0.0: it was signed as v1.0.0"):
        await latest("renamed", verify=verify, semver=">=1")
    git(repository.work, *ssh_signing(eve), "tag", "-s", "-m", "three", "v3.0.0")
    repository.push("refs/tags/v3.0.0")
    with pytest.raises(SignatureRefused, match=r"of the tag v3.0.0: it is signed with an SSH key that is not among"):
        await latest("by-eve", verify=verify, semver=">=1")
    git(repository.work, "tag", "-a", "-m", "four", "v4.0.0")
    repository.push("refs/tags/v4.0.0")
    with pytest.raises(SignatureRefused, match=r"it is not signed; and of the tag v4.0.0: it is not signed"):
        await latest("nobody", verify=verify, semver=">=1")


@needs_ssh
async def test_signature_is_asked_for_again_when_verify_is_new(latest, repository, tmp_path):
    """Files that an earlier run laid out without a check are no proof."""
    key = ssh_key(tmp_path, "ann")
    source = RemoteSource(GitSource(url=f"file://{repository.bare}"), tmp_path / "clone", tmp_path, lambda secret: "")
    await source.latest()
    await source.close()
    with pytest.raises(SignatureRefused):
        await latest(verify=allow(tmp_path, f"ann@example.org {public(key)}"))


@needs_ssh
async def test_repository_does_not_say_whom_to_trust(latest, repository, tmp_path):
    key, eve = ssh_key(tmp_path, "ann"), ssh_key(tmp_path, "eve")
    repository.commit({"signers": f"eve@example.org {public(eve)}\n", ".gitconfig": "[gpg]\n"}, sign=ssh_signing(eve))
    with pytest.raises(SignatureRefused):
        await latest(verify=allow(tmp_path, f"ann@example.org {public(key)}"))


@pytest.mark.parametrize(
    ("verify", "content", "wanted"),
    [
        ({"gpg_keys": "none"}, None, r"cannot read .*none, which `source.verify.gpg_keys`"),
        ({"allowed_signers": "none"}, None, r"cannot read .*none, which `source.verify.allowed_signers`"),
        pytest.param({"gpg_keys": "keys"}, b"no keys", "holds no public key", marks=needs_gpg),
        pytest.param({"gpg_keys": "keys"}, b"", "holds no public key", marks=needs_gpg),
    ],
)
async def test_files_that_cannot_be_used(latest, repository, tmp_path, verify, content, wanted):
    if content is not None:
        (tmp_path / "keys").write_bytes(content)
    with pytest.raises(UsageError, match=wanted):
        await latest(verify=verify)


@needs_ssh
async def test_empty_file_of_signers_allows_nobody(latest, repository, tmp_path):
    repository.commit({"a": "1"}, sign=ssh_signing(ssh_key(tmp_path, "ann")))
    with pytest.raises(SignatureRefused, match=re.escape("Allowed are: nobody")):
        await latest(verify=allow(tmp_path))


@needs_gpg
async def test_no_keyring_is_left_behind(latest, repository, tmp_path, gpg, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    good = gpg.key("gesa")
    (tmp_path / "keys").write_bytes(gpg.export(good))
    repository.commit({"a": "1"}, sign=gpg.signing(good), GNUPGHOME=str(gpg.home))
    await latest(verify={"gpg_keys": "keys"})
    assert list((tmp_path / "tmp").iterdir()) == []
