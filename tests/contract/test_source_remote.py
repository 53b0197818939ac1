"""A remote source against a real Git server: what is followed, what is on disk, what every fault becomes."""

import asyncio
import logging
import os
import shutil
import ssl
import threading
from pathlib import Path

import pytest
from git_server import GITOPS, git, needs_git, serving

from reconciler.errors import SourceError, SourceUnavailable, UsageError
from reconciler.load.secret import reveal
from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource

pytestmark = needs_git
CANARY = "tok-canary-5d1e77aa"


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "served") as started:
        yield started


@pytest.fixture
def repository(server):
    made = server.repository()
    made.commit({"gitops.yaml": GITOPS, "base/a.yml": "a: 1\n", "overlays/dev/a.yml": "a: 2\n"})
    return made


@pytest.fixture
async def opened(server, tmp_path):
    """Open a source with these settings; closed at the end."""
    sources = []

    def open_one(folder="clone", **settings):
        written = GitSource(**({"url": server.url()} | settings))
        source = RemoteSource(written, tmp_path / folder, tmp_path, lambda secret: reveal(secret, tmp_path))
        sources.append(source)
        return source

    yield open_one
    for source in sources:
        await source.close()


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


def everything_in(folder):
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


async def test_default_branch_is_followed_commit_by_commit(opened, repository):
    source = opened()
    first = await source.latest()
    assert (first.revision, first.generation, first.author) == (repository.head, 1, "Ann <ann@example.org>")
    assert files(first.root) == ["base/a.yml", "gitops.yaml", "overlays/dev/a.yml"]
    assert await source.latest() is first
    repository.commit({"base/a.yml": "a: 9\n", "base/b.yml": "b: 1\n"})
    second = await source.latest()
    assert (second.revision, second.generation) == (repository.head, 2)
    assert (second.root / "base/a.yml").read_text() == "a: 9\n"
    assert (first.root / "base/a.yml").read_text() == "a: 1\n"
    assert await source.paths_between(first, second) == {"base/a.yml", "base/b.yml"}
    assert await source.paths_between(second, second) == frozenset()


async def test_unmoved_branch_costs_no_pack(opened, server, repository):
    source = opened()
    await source.latest()
    server.requests.clear()
    await source.latest()
    # With protocol v2: what can you do, and what is this ref.
    assert [path.rpartition("/")[2] for _, path, _ in server.requests] == [
        "refs?service=git-upload-pack",
        "git-upload-pack",
    ]


async def test_history_is_not_fetched(opened, repository, tmp_path):
    repository.commit({"old.bin": os.urandom(300_000)})
    repository.commit({"old.bin": None})
    await opened().latest()
    assert sum(path.stat().st_size for path in (tmp_path / "clone").rglob("*") if path.is_file()) < 100_000


async def test_other_branch_tag_and_commit(opened, repository):
    on_main = repository.head
    git(repository.work, "checkout", "-q", "-b", "stage")
    on_stage = repository.commit({"base/a.yml": "a: stage\n"}, push="stage")
    repository.tag("light")
    repository.tag("heavy", "-c", "tag.gpgSign=false", "-c", "core.editor=true")
    git(repository.work, "tag", "-a", "-m", "told", "annotated")
    repository.push("refs/tags/annotated")
    assert (await opened(branch="stage").latest()).revision == on_stage
    assert (await opened(branch="main").latest()).revision == on_main
    assert (await opened("tags", tag="light").latest()).revision == on_stage
    assert (await opened("tags", tag="annotated").latest()).revision == on_stage
    assert (await opened("pinned", commit=on_main).latest()).revision == on_main


async def test_pinned_commit_is_not_asked_for_twice(opened, server, repository):
    wanted = repository.head
    repository.commit({"base/a.yml": "a: later\n"})
    source = opened(commit=wanted)
    assert (await source.latest()).revision == wanted
    server.requests.clear()
    assert (await source.latest()).revision == wanted
    assert (await opened(commit=wanted).latest()).revision == wanted
    assert server.requests == []


async def test_pinned_commit_from_a_server_that_hands_out_tips_only(opened, server, repository):
    wanted = repository.head
    repository.commit({"base/a.yml": "a: later\n"})
    server.protocol_v2 = False
    assert (await opened(commit=wanted).latest()).revision == wanted
    with pytest.raises(SourceError, match=r"has no commit 1{40} on any branch or tag"):
        await opened(commit="1" * 40).latest()


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        (">=1.0 <2", "v1.10.0"),
        ("1.2.x", "1.2.5"),
        ("~1.2.3", "1.2.5"),
        (">=3.0.0-rc.1", "v3.0.0-rc.2"),
        ("*", "v2.0.0"),
    ],
)
async def test_highest_tag_in_the_range(opened, repository, written, tag):
    for name in ("v1.2.3", "1.2.5", "v1.10.0", "v2.0.0", "v3.0.0-rc.1", "v3.0.0-rc.2", "newest", "v9"):
        repository.commit({"base/tag.yml": name})
        repository.tag(name)
    assert ((await opened(semver=written).latest()).root / "base/tag.yml").read_text() == tag


async def test_new_tag_in_the_range_is_taken_up_and_a_withdrawn_one_let_go(opened, repository):
    repository.tag("v1.0.0")
    first = repository.head
    source = opened(semver="1.x")
    assert (await source.latest()).revision == first
    repository.commit({"base/a.yml": "a: 5\n"})
    repository.tag("v1.1.0")
    assert (await source.latest()).revision == repository.head
    repository.push(":refs/tags/v1.1.0")
    assert (await source.latest()).revision == first


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"branch": "mian"}, r"has no branch 'mian'; did you mean main\?"),
        ({"branch": "release/9"}, "has no branch 'release/9'; there are: main"),
        ({"tag": "v1"}, "has no tag 'v1'; there are none"),
        ({"semver": ">=4"}, "has no tag in the range '>=4'; none of its tags is a version"),
        ({"path": "deploy"}, r"has no gitops.yaml in folder 'deploy' .*there is one in: \.; set `path` to it"),
    ],
)
async def test_what_is_not_there_is_told_with_what_is(opened, repository, settings, wanted):
    with pytest.raises(SourceError, match=wanted) as caught:
        await opened(**settings).latest()
    assert not caught.value.transient


async def test_empty_repository_and_unborn_branch_are_errors(opened, server):
    server.repository()
    with pytest.raises(SourceError, match="is empty: it has no commit yet"):
        await opened().latest()
    other = server.repository("other.git")
    other.commit({"gitops.yaml": GITOPS}, push="stage")
    with pytest.raises(SourceError, match=r"the default branch of .* has no commit; name one with `branch`.*stage"):
        await opened("o", url=server.url("other.git")).latest()


async def test_tag_of_something_else_than_a_commit(opened, repository):
    git(repository.work, "tag", "blob", git(repository.work, "hash-object", "-w", "gitops.yaml"))
    repository.push("refs/tags/blob")
    with pytest.raises(SourceError, match="tag of something that is no commit"):
        await opened(tag="blob").latest()


async def test_deleted_branch_is_an_error_and_the_checkout_stays(opened, repository):
    git(repository.work, "checkout", "-q", "-b", "stage")
    repository.commit({"base/a.yml": "a: stage\n"}, push="stage")
    source = opened(branch="stage")
    before = await source.latest()
    repository.push(":refs/heads/stage")
    with pytest.raises(SourceError, match="has no branch 'stage'"):
        await source.latest()
    assert "base/a.yml" in files(before.root)


async def test_force_push_is_followed_there_and_back(opened, repository):
    source = opened()
    first = await source.latest()
    git(repository.work, "commit", "-q", "--amend", "-m", "another history")
    repository.push("HEAD:refs/heads/main")
    second = await source.latest()
    assert second.revision == repository.head != first.revision
    repository.push(f"{first.revision}:refs/heads/main")
    third = await source.latest()
    assert (third.revision, third.generation) == (first.revision, 3)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_repository_made_anew_under_the_same_address(opened, server, repository, object_format):
    source = opened()
    await source.latest()
    shutil.rmtree(repository.bare)
    shutil.rmtree(repository.work)
    again = server.repository(object_format=object_format)
    commit = again.commit({"gitops.yaml": GITOPS, "base/new.yml": "n: 1\n"})
    assert (await source.latest()).revision == commit
    assert files((await source.latest()).root) == ["base/new.yml", "gitops.yaml"]


async def test_damaged_clone_is_made_anew(opened, repository, tmp_path):
    source = opened()
    await source.latest()
    packs = list((tmp_path / "clone/git").rglob("*.pack"))
    loose = list((tmp_path / "clone/git").glob("*/objects/??/*"))
    for path in (*packs, *loose):
        path.chmod(0o600)
        path.write_bytes(b"\0" * 10)
    repository.commit({"base/a.yml": "a: 7\n"})
    found = await source.latest()
    assert found.revision == repository.head
    assert (found.root / "base/a.yml").read_text() == "a: 7\n"
    assert not list((tmp_path / "clone").glob("git.old-*"))


@pytest.mark.parametrize("harm", ["removed", "changed", "no index", "no clone", "no checkout"])
async def test_checkout_that_was_harmed_is_made_anew(opened, repository, tmp_path, harm):
    source = opened()
    first = await source.latest()
    manifest = first.root / "base/a.yml"
    if harm == "removed":
        manifest.unlink()
    elif harm == "changed":
        manifest.write_text("a: 3\n")
    elif harm == "no index":
        shutil.rmtree(tmp_path / "clone/index")
        (tmp_path / "clone/index").mkdir()
        manifest.unlink()
    elif harm == "no clone":
        shutil.rmtree(tmp_path / "clone/git")
        manifest.unlink()
    else:
        shutil.rmtree(tmp_path / "clone/checkouts")
        (tmp_path / "clone/checkouts").mkdir()
    again = await source.latest()
    assert again.generation == first.generation
    assert files(again.root) == ["base/a.yml", "gitops.yaml", "overlays/dev/a.yml"]
    assert (again.root / "base/a.yml").read_text() == "a: 1\n"


async def test_half_a_checkout_of_another_run_is_made_anew(opened, repository, tmp_path):
    place = tmp_path / "clone/checkouts" / repository.head
    place.mkdir(parents=True)
    (place / "gitops.yaml").write_text(GITOPS)
    assert files((await opened().latest()).root) == ["base/a.yml", "gitops.yaml", "overlays/dev/a.yml"]


async def test_leftovers_of_a_killed_run_go_at_the_start(opened, repository, tmp_path):
    for left in ("checkouts/new-1", "checkouts/gone-1", "git.old-1"):
        (tmp_path / "clone" / left).mkdir(parents=True)
    found = await opened().latest()
    assert [path.name for path in (tmp_path / "clone/checkouts").iterdir() if path.is_dir()] == [found.revision]
    assert not (tmp_path / "clone/git.old-1").exists()


async def test_whole_checkout_of_another_run_is_used_as_it_is(opened, repository):
    first = opened()
    place = (await first.latest()).root / "gitops.yaml"
    made = place.stat().st_ino
    await first.close()
    assert ((await opened().latest()).root / "gitops.yaml").stat().st_ino == made


async def test_keep_removes_the_others_and_what_was_left_behind(opened, repository, tmp_path):
    source = opened()
    first = await source.latest()
    repository.commit({"base/a.yml": "a: 2\n"})
    second = await source.latest()
    for left in ("new-1", "gone-2"):
        (tmp_path / "clone/checkouts" / left).mkdir()
    await source.keep([second])
    assert sorted(path.name for path in (tmp_path / "clone/checkouts").iterdir() if path.is_dir()) == [second.revision]
    assert files(second.root)
    assert await source.paths_between(first, second) in (None, {"base/a.yml"})
    await source.keep([])
    assert list((tmp_path / "clone/checkouts").iterdir()) == []
    again = await source.latest()
    assert (again.revision, again.generation) == (second.revision, second.generation)
    assert files(again.root)


async def test_keep_leaves_what_another_process_uses(opened, repository):
    mine, theirs = opened(), opened()
    first = await theirs.latest()
    repository.commit({"base/a.yml": "a: 2\n"})
    second = await mine.latest()
    await mine.keep([second])
    assert files(first.root)
    await theirs.close()
    await mine.keep([second])
    assert not first.root.exists()


async def test_clone_does_not_grow_with_every_commit(opened, repository, tmp_path):
    source = opened()
    sizes = []
    for number in range(14):
        repository.commit({"base/big.bin": os.urandom(50_000), "base/a.yml": f"a: {number}\n"})
        await source.keep([await source.latest()])
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "clone/git").rglob("*") if path.is_file()))
    assert min(sizes[-3:]) < 50_000 * 6
    assert len(list((tmp_path / "clone/index").iterdir())) == 1


async def test_two_at_once_in_one_folder_take_turns(opened, repository):
    found = await asyncio.gather(*(opened().latest() for _ in range(3)))
    assert {checkout.revision for checkout in found} == {repository.head}
    assert all(files(checkout.root) for checkout in found)


async def test_sub_folder(opened, repository):
    source = opened(path="deploy/shop")
    repository.commit({"deploy/shop/gitops.yaml": GITOPS, "deploy/shop/base/a.yml": "a: 1\n"})
    first = await source.latest()
    assert files(first.root) == ["base/a.yml", "gitops.yaml"]
    repository.commit({"deploy/shop/base/a.yml": "a: 2\n", "deploy/shopping/b.yml": "", "README.md": "hello"})
    assert await source.paths_between(first, await source.latest()) == {"base/a.yml"}


async def test_link_out_of_the_repository_is_not_followed_to_the_project(opened, repository, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/gitops.yaml").write_text(GITOPS)
    (repository.work / "out").symlink_to(tmp_path / "elsewhere")
    (repository.work / "inside").symlink_to("base")
    repository.commit()
    with pytest.raises(SourceError, match=r"symbolic link that leads out of it at out/gitops.yaml"):
        await opened(path="out").latest()
    source = opened("other")
    first = await source.latest()
    assert (first.root / "inside/a.yml").read_text() == "a: 1\n"
    repository.commit({"base/a.yml": "a: 2\n"})
    # inside/a.yml changed too, and no list of Git says so.
    assert await source.paths_between(first, await source.latest()) is None
    repository.commit({"deploy/gitops.yaml": GITOPS})
    below = opened("third", path="deploy")
    first = await below.latest()
    repository.commit({"deploy/gitops.yaml": GITOPS + "prune: true\n"})
    assert await below.paths_between(first, await below.latest()) == {"gitops.yaml"}


async def test_files_are_those_of_the_commit_whatever_attributes_say_for_archives(opened, repository):
    repository.commit({".gitattributes": "*.txt export-ignore\n*.crlf text eol=crlf\n", "a.txt": "x", "b.crlf": "1\n"})
    root = (await opened().latest()).root
    assert (root / "a.txt").read_text() == "x"
    assert (root / "b.crlf").read_bytes() == b"1\r\n"


async def test_pointer_of_git_lfs_is_refused(opened, repository):
    repository.commit({".gitattributes": "*.pkl filter=lfs -text\n", "base/model.pkl": "version https://git-lfs"})
    with pytest.raises(SourceError, match=r"keeps base/model.pkl in Git LFS, which is not supported"):
        await opened().latest()


async def test_names_that_are_hard(opened, repository):
    names = ["base/with space.yml", 'base/qu"ote.yml', "base/ünï.yml", "base/new\nline.yml", "base/-dash"]
    first = await opened().latest()
    repository.commit(dict.fromkeys(names, "x: 1\n"))
    source = opened()
    assert await source.paths_between(first, await source.latest()) == frozenset(names)


async def test_token_signs_in_and_is_nowhere_else(opened, server, repository, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    server.token = CANARY
    monkeypatch.setenv("GIT_TOKEN", CANARY)
    source = opened(token={"env": "GIT_TOKEN"}, username="ann")
    assert (await source.latest()).revision == repository.head
    assert CANARY.encode() not in everything_in(tmp_path / "clone")
    assert CANARY not in caplog.text
    assert not any(CANARY in path for _, path, _ in server.requests)
    (tmp_path / "token").write_text("old\n")
    rotated = opened("rotated", token={"file": "token"})
    with pytest.raises(SourceError, match="the server does not know the token"):
        await rotated.latest()
    (tmp_path / "token").write_text(CANARY + "\n")
    assert (await rotated.latest()).revision == repository.head


async def test_user_name_in_the_address_is_fine(opened, server, repository, monkeypatch):
    server.token = CANARY
    monkeypatch.setenv("GIT_TOKEN", CANARY)
    source = opened(url=server.url().replace("://", "://acme@"), token={"env": "GIT_TOKEN"})
    assert (await source.latest()).revision == repository.head


async def test_token_missing_wrong_or_not_enough(opened, server, repository, monkeypatch):
    server.token = CANARY
    with pytest.raises(SourceError, match="the server wants a token") as caught:
        await opened().latest()
    assert not caught.value.transient
    monkeypatch.setenv("GIT_TOKEN", "wrong-canary-81")
    with pytest.raises(SourceError, match="the server does not know the token") as caught:
        await opened("w", token={"env": "GIT_TOKEN"}).latest()
    assert not caught.value.transient
    assert "wrong-canary-81" not in str(caught.value)
    monkeypatch.delenv("GIT_TOKEN")
    with pytest.raises(UsageError, match="environment variable GIT_TOKEN is not set"):
        await opened("n", token={"env": "GIT_TOKEN"}).latest()
    monkeypatch.setenv("GIT_TOKEN", "two\nlines")
    with pytest.raises(UsageError, match="line break"):
        await opened("l", token={"env": "GIT_TOKEN"}).latest()


async def test_server_that_repeats_the_token_does_not_get_it_into_a_message(opened, server, repository, monkeypatch):
    monkeypatch.setenv("GIT_TOKEN", CANARY)
    server.answer = (200, f"<html>{CANARY}</html>".encode(), ("Content-Type", "text/plain"))
    repository.commit()
    with pytest.raises(SourceError) as caught:
        await opened(token={"env": "GIT_TOKEN"}).latest()
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.__context__)


async def test_token_goes_to_no_other_host(opened, server, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_TOKEN", CANARY)
    with serving(tmp_path / "thief") as thief:
        thief.token = "anything"
        server.answer = (302, b"", ("Location", thief.url() + "/info/refs?service=git-upload-pack"))
        with pytest.raises(SourceError):
            await opened(token={"env": "GIT_TOKEN"}).latest()
        assert thief.requests
        assert all(not sent for _, _, sent in thief.requests)


async def test_configuration_of_the_user_counts_for_nothing(opened, server, repository, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "http://127.0.0.1:1/"]\n\tinsteadOf = {server.url()}\n')
    (home / ".netrc").write_text(f"machine 127.0.0.1 login a password {CANARY}\n")
    monkeypatch.setenv("HOME", str(home))
    for name, value in {
        "GIT_DIR": str(home), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.proxy",
        "GIT_CONFIG_VALUE_0": "http://127.0.0.1:1", "GIT_TRACE_CURL": str(tmp_path / "trace"), "GIT_INDEX_FILE": "/x",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    source = opened()
    assert (await source.latest()).revision
    assert not (tmp_path / "trace").exists()
    server.token = CANARY
    with pytest.raises(SourceError, match="wants a token"):
        await source.latest()


@pytest.mark.parametrize(
    ("status", "passes"), [(503, True), (429, True), (500, True), (502, True), (403, False), (404, False), (401, False)]
)
async def test_answers_of_the_server(opened, server, repository, status, passes):
    source = opened()
    before = await source.latest()
    server.answer = (status, b"no")
    with pytest.raises(SourceError) as caught:
        await source.latest()
    assert caught.value.transient is passes
    assert isinstance(caught.value, SourceUnavailable) is passes
    assert str(status) in str(caught.value) or status == 401 or "not found" in str(caught.value)
    server.answer = None
    assert await source.latest() is before


@pytest.mark.parametrize("fault", ["cut_pack", "spoil_pack"])
async def test_half_a_pack_is_no_commit(opened, server, repository, fault):
    source = opened()
    before = await source.latest()
    repository.commit({"base/big.bin": os.urandom(100_000)})
    setattr(server, fault, True)
    with pytest.raises(SourceUnavailable):
        await source.latest()
    with pytest.raises(SourceUnavailable):
        await opened("fresh").latest()
    setattr(server, fault, False)
    assert files(before.root) == ["base/a.yml", "gitops.yaml", "overlays/dev/a.yml"]
    after = await source.latest()
    assert after.revision == repository.head
    # The clone is the one from before the fault.
    assert await source.paths_between(before, after) == {"base/big.bin"}
    assert (await opened("fresh").latest()).revision == repository.head


async def test_branch_that_moves_between_question_and_fetch(opened, server, repository):
    for v2 in (True, False):
        server.protocol_v2 = v2
        source = opened(f"moved-{v2}")
        await source.latest()
        repository.commit({"base/a.yml": f"a: {v2}1\n"})
        seen = len(server.requests)

        def move(seen=seen, v2=v2):
            # The second time that refs are asked for is the fetch.
            if sum("info/refs" in path for _, path, _ in server.requests[seen:]) == 2:
                server.before_answer = None
                repository.commit({"base/a.yml": f"a: moved {v2}\n"})

        server.before_answer = move
        found = await source.latest()
        assert server.before_answer is None
        assert found.revision == repository.head
        assert (found.root / "base/a.yml").read_text() == f"a: moved {v2}\n"
        assert await source.latest() is found


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b"<html>\n<body>\nsign in\n</html>\n", b""])
async def test_page_instead_of_git(opened, server, repository, page):
    server.answer = (200, page, ("Content-Type", "text/html"))
    with pytest.raises(SourceError, match=r"what answere?[ds].* is no Git server") as caught:
        await opened().latest()
    assert not caught.value.transient


async def test_nobody_there_may_pass(opened, server, repository):
    source = opened()
    server.close()
    with pytest.raises(SourceUnavailable, match="It is tried again"):
        await source.latest()
    server.__init__(server.root)


async def test_repository_that_is_not_there(opened, server):
    with pytest.raises(SourceError, match="look at `url`") as caught:
        await opened(url=server.url("none.git")).latest()
    assert not caught.value.transient


async def test_folder_that_cannot_be_written(opened, repository, tmp_path):
    (tmp_path / "clone").write_text("a file")
    with pytest.raises(SourceUnavailable, match=r"cannot work in .*clone"):
        await opened().latest()


async def test_own_certificate_authority(opened, repository, server, tmp_path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(tmp_path / "served", tls=context) as tls:
        assert (await opened(url=tls.url(), ca_file="ca.pem").latest()).revision == repository.head
        with pytest.raises(SourceError, match="certificate is not trusted") as caught:
            await opened("other", url=tls.url()).latest()
        assert not caught.value.transient


async def test_cancelled_fetch_leaves_no_process_and_no_half(opened, server, repository, tmp_path):
    source = opened()
    asked, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold():
        loop.call_soon_threadsafe(asked.set)
        go_on.wait(30)

    server.before_pack = hold
    task = asyncio.create_task(source.latest())
    await asyncio.wait_for(asked.wait(), 30)
    task.cancel()
    # At once: the server would be silent for longer.
    done, _ = await asyncio.wait([task], timeout=15)
    assert done
    assert task.cancelled()
    server.before_pack = None
    assert not any((tmp_path / "clone/checkouts").iterdir())
    # The server has not answered yet: whoever still waited for it would hold the lock.
    assert (await asyncio.wait_for(source.latest(), 15)).revision == repository.head
    go_on.set()


async def test_waits_for_ever_for_a_change(opened):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(opened().changed(), 0.01)
