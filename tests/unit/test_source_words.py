"""What decides in the source: addresses, git's words, which tag, which environments. No files, no git."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import SourceError, SourceUnavailable, UsageError
from reconciler.load.secret import reveal
from reconciler.source.access import Access, Hidden
from reconciler.source.address import address_of, resolved, without_user
from reconciler.source.differ import below
from reconciler.source.environ import own, without_git
from reconciler.source.failures import Unclear, failure, told
from reconciler.source.follow import Target, asked_of, nothing_there, target_of
from reconciler.source.local import WorkingCopy
from reconciler.source.opened import open_source
from reconciler.source.remote import RemoteSource
from reconciler.source.signatures import judge
from reconciler.source.touched import touched
from schemas.loop import GitSource, Loop, Secret
from schemas.project import Project

HERE = "`source.url` in loop.yaml"
PASSWORD = "pw-canary-77aa"


@pytest.mark.parametrize(
    ("url", "scheme", "place", "user"),
    [
        ("https://dev.azure.com/org/project/_git/repo", "https", "dev.azure.com", ""),
        ("https://org@dev.azure.com/org/project/_git/repo", "https", "dev.azure.com", "org"),
        ("https://dev.azure.com/org/my%20project/_git/my%20repo", "https", "dev.azure.com", ""),
        ("git@ssh.dev.azure.com:v3/org/project/repo", "ssh", "ssh.dev.azure.com", "git"),
        ("https://github.com/owner/name", "https", "github.com", ""),
        ("https://GitHub.com:8443/owner/name.git", "https", "github.com:8443", ""),
        ("git@github.com:owner/name.git", "ssh", "github.com", "git"),
        ("ssh://git@github.com:22/owner/name.git", "ssh", "github.com:22", "git"),
        ("acme@vs-ssh.visualstudio.com:v3/acme/p/r", "ssh", "vs-ssh.visualstudio.com", "acme"),
        ("http://git.local/x", "http", "git.local", ""),
        ("https://[fd00::1]:8443/x", "https", "[fd00::1]:8443", ""),
        ("file:///srv/git/x.git", "file", "", ""),
        ("/srv/git/a:b.git", "file", "", ""),
    ],
)
def test_addresses(url, scheme, place, user):
    found = address_of(url, HERE)
    assert (found.scheme, found.place, found.user, found.url) == (scheme, place, user, url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (f"https://ann:{PASSWORD}@example.org/x.git", "holds a password; take it out"),
        (f"https://:{PASSWORD}@example.org/x.git", "holds a password"),
        (f"ssh://ann:{PASSWORD}@example.org/x.git", "holds a password"),
        (f"https://ann:{PASSWORD}@example.org:99999999/x.git", "no valid address"),
        (f"https://ann:{PASSWORD}@[::1/x.git", "no valid address"),
        (f"https://example.org/x.git?token={PASSWORD}", r"after '\?'"),
        ("https://ghp_0123456789abcdef@github.com/o/n", "looks like a token"),
        ("https://glpat-abcdef0123456789@gitlab.com/o/n", "looks like a token"),
        (f"https://{'a1' * 26}@dev.azure.com/o/p/_git/r", "looks like a token"),
        ("ftp://example.org/x", "begins with ftp://"),
        ("git://example.org/x", "begins with git://"),
        ("ext::sh -c touch% /tmp/x", "transport helper"),
        ("https:///x", "names no host"),
        ("repo.git", "is no address"),
        ("--upload-pack=x", "begins with '-'"),
        ("-oProxyCommand=x:y", "begins with '-'"),
        ("ssh://-oProxyCommand=x/y", "begins with '-'"),
        ("https://example.org/x\ny", "control characters"),
        ("file://host/x", "with a host"),
    ],
)
def test_addresses_that_git_is_not_given(url, wanted):
    with pytest.raises(SourceError, match=wanted) as caught:
        address_of(url, HERE)
    assert str(caught.value).startswith(HERE)
    assert PASSWORD not in str(caught.value)
    assert "glpat" not in str(caught.value)
    assert PASSWORD not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("parent", "url", "wanted"),
    [
        ("https://h/a/b.git", "../c.git", "https://h/a/c.git"),
        ("https://h/a/b.git/", "./c.git", "https://h/a/b.git/c.git"),
        ("https://h/a/b.git", "../../x/c", "https://h/x/c"),
        ("git@h:a/b.git", "../c.git", "git@h:a/c.git"),
        ("git@h:b.git", "../c.git", "git@h:c.git"),
        ("https://org@dev.azure.com/org/p/_git/r", "../other", "https://org@dev.azure.com/org/p/_git/other"),
        ("/srv/a.git", "../b.git", "/srv/b.git"),
        ("https://h/a", "https://g/b", "https://g/b"),
    ],
)
def test_addresses_of_submodules(parent, url, wanted):
    assert resolved(url, address_of(parent, HERE)) == wanted


@given(st.integers(1, 40), st.sampled_from(["https://h/a/b", "git@h:a/b", "/srv/a", "https://h:8/a"]))
def test_no_submodule_leads_to_another_host_by_going_up(steps, parent):
    start = address_of(parent, HERE)
    try:
        found = address_of(resolved("../" * steps + "evil.example.org/x", start), HERE)
    except SourceError:
        return
    assert found.beside(start)


# Git 2.39, curl 7.88 and OpenSSH 9.2 as they say it, and forges where a source is named in the code.
@pytest.mark.parametrize(
    ("stderr", "kind", "fix"),
    [
        ("fatal: Authentication failed for 'https://h/x/'", SourceError, "`token`"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", SourceError, "wants a token"),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403", SourceError, "may not read"),
        (
            "remote: TF401019: The Git repository ... does not exist\nfatal: repository 'x' not found",
            SourceError,
            "url",
        ),
        ("error: RPC failed; HTTP 401 curl 22\nfatal: the remote end hung up", SourceError, "`token`"),
        ("remote: ERROR: Repository not found.\nfatal: Could not read from remote", SourceError, "`url`"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", SourceError, "`ssh_key`"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", SourceError, "`known_hosts`"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: self-signed", SourceError, "`ca_file`"),
        ("fatal: https://h/info/refs not valid: is this a git repository?", SourceError, "no Git server"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", SourceUnavailable, ""),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443: Timed out", SourceUnavailable, ""),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 503", SourceUnavailable, ""),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 429", SourceUnavailable, ""),
        ("error: RPC failed; HTTP 502 curl 22\nfatal: expected flush", SourceUnavailable, ""),
        ("fatal: the remote end hung up unexpectedly\nfatal: early EOF", SourceUnavailable, ""),
        ("ssh: connect to host h port 22: Connection refused\nfatal: Could not read", SourceUnavailable, ""),
        ("kex_exchange_identification: Connection closed by remote host", SourceUnavailable, ""),
        ("fatal: write error: No space left on device", SourceUnavailable, "`folder`"),
        ("error: inflate: data stream error\nfatal: loose object is corrupt", Unclear, ""),
        ("", Unclear, "git gave no reason"),
    ],
)
def test_what_git_says_and_what_it_means(stderr, kind, fix):
    found = failure("git fetch of https://h/x", stderr)
    assert type(found) is kind
    assert fix in str(found)
    assert str(found).startswith("git fetch of https://h/x failed")


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=6), st.text(), st.text())
def test_no_secret_is_told(secret, before, after):
    access = Access(address_of("https://h/x", HERE), "ann", Hidden(secret))
    basic = base64.b64encode(f"ann:{secret}".encode()).decode()
    for form in (secret, basic):
        assert form not in told(f"{before}|{form}|{after}", access.secrets).replace("(sensitive)", "")
    assert secret not in repr(access).replace("sensitive", "")


def test_what_is_told_is_one_short_line():
    said = told("fatal: x\x1b[31m\nhint: do this\nremote: " + "y" * 10_000)
    assert len(said) < 420
    assert said.isprintable()
    assert "hint" not in said
    assert without_user(f"see https://ann:{PASSWORD}@h/x and ssh://u@h/y") == "see https://h/x and ssh://h/y"
    assert PASSWORD not in told(f"fatal: repository 'https://ann:{PASSWORD}@h/x' not found")


def test_environment_of_our_git_is_ours():
    hostile = {
        "PATH": "/bin", "GIT_DIR": "/x", "GIT_SSH_COMMAND": "touch", "GIT_TRACE": "1", "GIT_ASKPASS": "steal",
        "HOME": "/home/ann", "XDG_CONFIG_HOME": "/x", "AZURE_CLIENT_SECRET": PASSWORD, "https_proxy": "http://p",
        "GIT_CONFIG_COUNT": "9", "GIT_CONFIG_PARAMETERS": "'a'='b'", "LANG": "de_DE.UTF-8", "LC_MESSAGES": "de",
    }  # fmt: skip
    made = own(hostile, [("a.b", "c")])
    assert PASSWORD not in made.values()
    assert {name: made.get(name) for name in ("PATH", "https_proxy", "LC_ALL", "GIT_TERMINAL_PROMPT", "HOME")} == {
        "PATH": "/bin", "https_proxy": "http://p", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "HOME": "/dev/null",
    }  # fmt: skip
    assert (
        not {"GIT_DIR", "GIT_SSH_COMMAND", "GIT_TRACE", "GIT_CONFIG_PARAMETERS", "LANG", "XDG_CONFIG_HOME"}
        & made.keys()
    )
    count = int(made["GIT_CONFIG_COUNT"])
    settings = {made[f"GIT_CONFIG_KEY_{n}"]: made[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}
    assert settings["core.hooksPath"] == "/dev/null"
    assert settings["protocol.ext.allow"] == "never"
    assert settings["a.b"] == "c"
    users = without_git(hostile)
    assert {"HOME", "XDG_CONFIG_HOME", "PATH"} <= users.keys()
    assert users["GIT_OPTIONAL_LOCKS"] == "0"
    assert not {"GIT_DIR", "GIT_TRACE", "GIT_CONFIG_COUNT"} & users.keys()


def test_token_is_told_by_environment_to_one_host():
    access = Access(address_of("https://git.example.org:8443/x", HERE), "ann", Hidden(PASSWORD))
    assert [key for key, _ in access.config] == ["credential.https://git.example.org:8443.helper"]
    assert PASSWORD not in str(access.config)
    assert access.environ["AML_GITOPS_GIT_TOKEN"] == PASSWORD
    same = access.to_submodule(address_of("https://git.example.org:8443/y", HERE))
    assert same.token == access.token
    for url in ("https://git.example.org/y", "http://git.example.org:8443/y", "https://example.org:8443/y"):
        other = access.to_submodule(address_of(url, HERE))
        assert other.token is None
        assert "AML_GITOPS_GIT_TOKEN" not in other.environ


REFS = {
    "HEAD": "a", "refs/heads/main": "a", "refs/heads/main2": "b", "refs/tags/v1.0.0": "t1", "refs/tags/v1.0.0^{}": "c",
    "refs/tags/1.2.0": "d", "refs/tags/v1.3.0-rc.1": "e", "refs/tags/v1.2.0+b1": "f", "refs/tags/v1.2.0+b2": "g",
    "refs/tags/latest": "h", "refs/tags/v2": "i",
}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "ref", "commit"),
    [
        ({}, "HEAD", "a"),
        ({"branch": "main"}, "refs/heads/main", "a"),
        ({"branch": "refs/heads/main2"}, "refs/heads/main2", "b"),
        ({"tag": "v1.0.0"}, "refs/tags/v1.0.0", "c"),
        ({"tag": "latest"}, "refs/tags/latest", "h"),
        ({"semver": "1.0.x"}, "refs/tags/v1.0.0", "c"),
        ({"semver": ">=1"}, "refs/tags/v1.2.0+b2", "g"),
        ({"semver": ">=1.3.0-rc.1 <2"}, "refs/tags/v1.3.0-rc.1", "e"),
    ],
)
def test_what_the_settings_mean(settings, ref, commit):
    source = GitSource(url="https://h/x", **settings)
    assert target_of(source, REFS, "h/x") == Target(ref, commit)
    assert all(asked.startswith(("HEAD", "refs/")) for asked in asked_of(source))
    assert target_of(source, dict(reversed(REFS.items())), "h/x") == Target(ref, commit)


def test_what_is_not_there():
    assert target_of(GitSource(url="https://h/x", branch="gone"), REFS, "h/x") is None
    assert "did you mean main" in str(nothing_there(GitSource(url="https://h/x", branch="mian"), REFS, "h/x"))
    assert "is empty" in str(nothing_there(GitSource(url="https://h/x"), {}, "h/x"))
    with pytest.raises(SourceError, match=r"the highest there are: v1.0.0, 1.2.0, v1.2.0\+b1, v1.2.0\+b2, v1.3.0-rc.1"):
        target_of(GitSource(url="https://h/x", semver=">=9"), REFS, "h/x")
    with pytest.raises(SourceError, match="is no range of versions: found 'newest'"):
        asked_of(GitSource(url="https://h/x", semver="newest"))


KEY = "ABCDEF0123456789ABCDEF0123456789ABCDEF01"
GPG = f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG {KEY[24:]} Ann\n[GNUPG:] VALIDSIG {KEY} 2026-01-01 1 0 4 0 22 8 00 {KEY}\n"
SSH = 'Good "git" signature for ann@example.org with ED25519 key SHA256:abc\n'


@pytest.mark.parametrize(
    ("status", "said", "who", "wrong"),
    [
        (0, GPG, f"GPG key {KEY}", ""),
        (0, SSH, "ann@example.org (SSH key SHA256:abc)", ""),
        (1, GPG, "", "cannot be checked"),
        (1, SSH, "", "bad, or not valid"),
        (0, GPG.replace("GOODSIG", "EXPKEYSIG"), "", "has expired"),
        (0, GPG.replace("GOODSIG", "REVKEYSIG"), "", "was revoked"),
        (0, GPG.replace("GOODSIG", "EXPSIG"), "", "signature has expired"),
        (0, f"{GPG}[GNUPG:] BADSIG {KEY[24:]} Eve\n", "", "changed after it was signed"),
        (0, GPG.replace("VALIDSIG", "X"), "", "cannot be checked"),
        (0, f" {SSH}", "", "cannot be checked"),
        (0, f"x {GPG}".replace("\n", "\n "), "", "cannot be checked"),
        (0, SSH.replace(" for ann@example.org", ""), "", "not among the allowed ones (SHA256:abc)"),
        (1, "", "", "it is not signed"),
        (0, "", "", "it is not signed"),
    ],
)
def test_what_git_says_of_a_signature(status, said, who, wrong):
    found = judge(status, said)
    assert found[0] == who
    assert wrong in found[1]
    assert bool(found[0]) is not bool(found[1])


PROJECT = Project.model_validate(
    {
        "project": "shop",
        "manifests": ["base", "overlays/shared"],
        "environments": {
            name: {"target": {"emulator": ".e"}, "network": "managed_vnet"} for name in ("dev", "test", "prod")
        },
    }
)


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (None, {"dev", "test"}),
        ([], set()),
        (["overlays/dev/a.yml"], {"dev"}),
        (["overlays/dev/deep/er/a.yml", "overlays/test/b.yml"], {"dev", "test"}),
        (["overlays/prod/a.yml"], set()),
        (["overlays/dev"], {"dev", "test"}),
        (["overlays/other/a.yml"], {"dev", "test"}),
        (["overlays/shared/a.yml"], {"dev", "test"}),
        (["overlays/README.md"], {"dev", "test"}),
        (["overlaysdev/a.yml"], {"dev", "test"}),
        (["base/a.yml"], {"dev", "test"}),
        (["gitops.yaml"], {"dev", "test"}),
        (["src/score.py", "overlays/dev/a.yml"], {"dev", "test"}),
        (["../README.md", ".."], set()),
        (["..hidden/a"], {"dev", "test"}),
    ],
)
def test_environments_that_paths_touch(paths, wanted):
    assert touched(None if paths is None else frozenset(paths), PROJECT, ["dev", "test"]) == wanted


@given(st.frozensets(st.sampled_from(["base/a", "overlays/dev/a", "overlays/test/a", "gitops.yaml", "x", "../y"])))
def test_more_paths_never_touch_less(paths):
    every = touched(paths, PROJECT, ["dev", "test", "prod"])
    for path in paths:
        assert touched(frozenset({path}), PROJECT, ["dev", "test", "prod"]) <= every


@pytest.mark.parametrize(
    ("printed", "folder", "wanted"),
    [
        (b"a\0b/c\0", ".", {"a", "b/c"}),
        (b"a/b\0ab/c\0", "a", {"b"}),
        (b"a\0", "a/b", None),
        (b"a/b\0", "a/b", None),
        (b"", "a", set()),
    ],
)
def test_paths_below_a_folder(printed, folder, wanted):
    assert below(printed, folder) == wanted


def test_secret_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("X", f"{PASSWORD}\n")
    assert reveal(Secret(env="X"), tmp_path) == PASSWORD
    monkeypatch.setenv("X", " \n")
    with pytest.raises(UsageError, match="environment variable X is empty"):
        reveal(Secret(env="X"), tmp_path)
    monkeypatch.delenv("X")
    with pytest.raises(UsageError, match="environment variable X is not set"):
        reveal(Secret(env="X"), tmp_path)


def test_secret_of_a_file(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the secret file .*token.*No such file"):
        reveal(Secret(file="token"), tmp_path)
    for written, wanted in ((b"one\r\n", "one"), (b"two", "two"), (b" three \n\n", " three \n")):
        (tmp_path / "token").write_bytes(written)
        assert reveal(Secret(file="token"), tmp_path) == wanted
    (tmp_path / "token").write_bytes(PASSWORD.encode() + b"\xff")
    with pytest.raises(UsageError, match="is not text") as caught:
        reveal(Secret(file="token"), tmp_path)
    assert caught.value.__cause__ is None


def test_source_that_the_loop_file_names(tmp_path):
    def project():
        return tmp_path

    assert isinstance(open_source(Loop(), tmp_path, project, lambda secret: ""), WorkingCopy)
    remote = Loop(source=GitSource(url="https://h/x"))
    assert isinstance(open_source(remote, tmp_path, project, lambda secret: ""), RemoteSource)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"url": f"https://a:{PASSWORD}@h/x"}, "holds a password"),
        ({"url": "http://h.example/x", "token": {"env": "X"}}, "readable on its way; use https"),
        ({"url": "git@h:x", "token": {"env": "X"}}, "`source.token` in loop.yaml is for https"),
        ({"url": "https://h/x", "ssh_key": "k"}, "`source.ssh_key` in loop.yaml is for ssh"),
        ({"url": "https://h/x", "semver": "?"}, "is no range of versions"),
    ],
)
def test_settings_that_can_never_work_are_refused_at_once(tmp_path, settings, wanted):
    with pytest.raises(SourceError, match=wanted) as caught:
        open_source(Loop(source=GitSource.model_validate(settings)), tmp_path, lambda: tmp_path, lambda secret: "")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8/x", "http://localhost/x", "http://[::1]:8/x"])
def test_token_may_go_unencrypted_within_this_machine(tmp_path, url):
    source = GitSource.model_validate({"url": url, "token": {"env": "X"}})
    assert open_source(Loop(source=source), tmp_path, lambda: tmp_path, lambda secret: "")
