"""Submodules: all of them or none, and nobody's credentials but for their own host."""

import pytest
from git_server import GITOPS, git, needs_git, serving

from reconciler.errors import SourceError
from reconciler.source.remote import RemoteSource
from schemas.loop import GitSource, Secret

pytestmark = needs_git
CANARY = "tok-canary-5d1e77aa"


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "served") as started:
        yield started


@pytest.fixture
async def opened(server, tmp_path):
    sources = []

    def open_one(folder="clone", **settings):
        written = GitSource(**({"url": server.url(), "submodules": True} | settings))
        sources.append(RemoteSource(written, tmp_path / folder, tmp_path, lambda secret: CANARY))
        return sources[-1]

    yield open_one
    for source in sources:
        await source.close()


def link(repository, path, url, commit):
    """What `git submodule add` leaves, without asking the address."""
    git(repository.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    modules = repository.work / ".gitmodules"
    before = modules.read_text() if modules.exists() else ""
    modules.write_text(f'{before}[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
    git(repository.work, "add", ".gitmodules")
    git(repository.work, "commit", "-q", "-m", f"{path} from elsewhere")
    repository.push("HEAD:refs/heads/main")


@pytest.fixture
def nested(server):
    """shop.git has models.git, which has data.git; both are named from where they are."""
    data = server.repository("data.git")
    data.commit({"numbers.csv": "1,2\n"})
    models = server.repository("group/models.git")
    models.commit({"m.txt": "model 1\n"})
    link(models, "data", "../../data.git", data.head)
    shop = server.repository("shop.git")
    shop.commit({"gitops.yaml": GITOPS})
    link(shop, "base/models", "../group/models.git", models.head)
    return shop, models, data


async def test_submodules_are_laid_out_in_each_other(opened, nested):
    shop, models, _ = nested
    source = opened()
    first = await source.latest()
    assert (first.root / "base/models/m.txt").read_text() == "model 1\n"
    assert (first.root / "base/models/data/numbers.csv").read_text() == "1,2\n"
    assert await source.latest() is first
    # The submodule moves on; the repository decides when that counts.
    git(models.work, "rm", "-q", "--cached", "data")
    models.commit({".gitmodules": None, "m.txt": "model 2\n"})
    assert await source.latest() is first
    git(shop.work, "update-index", "--cacheinfo", f"160000,{models.head},base/models")
    git(shop.work, "commit", "-q", "-m", "model 2")
    shop.push("HEAD:refs/heads/main")
    second = await source.latest()
    assert (second.root / "base/models/m.txt").read_text() == "model 2\n"
    assert not (second.root / "base/models/data").exists()
    assert await source.paths_between(first, second) == {"base/models"}


async def test_clones_that_no_checkout_needs_are_removed(opened, nested, tmp_path):
    shop, _, _ = nested
    source = opened()
    await source.latest()
    assert len(list((tmp_path / "clone/git").iterdir())) == 3
    git(shop.work, "rm", "-q", "--cached", "base/models")
    shop.commit({".gitmodules": None})
    await source.keep([await source.latest()])
    assert len(list((tmp_path / "clone/git").iterdir())) == 1
    assert len(list((tmp_path / "clone/index").iterdir())) == 1


async def test_folders_stay_empty_without_them(opened, nested):
    root = (await opened(submodules=False).latest()).root
    assert list((root / "base/models").iterdir()) == []
    # The same commit with its submodules is another checkout.
    assert (await opened().latest()).root != root


@pytest.mark.parametrize("name", ["base/models/m.txt", "base/models/data/numbers.csv"])
async def test_file_of_a_submodule_that_is_gone_is_made_anew(opened, nested, name):
    source = opened()
    first = await source.latest()
    (first.root / name).unlink()
    assert ((await source.latest()).root / name).exists()
    await source.close()
    (first.root / name).write_text("harmed")
    assert ((await opened().latest()).root / name).read_text() != "harmed"


async def test_submodule_that_cannot_be_had_is_no_checkout(opened, server, nested, tmp_path):
    shop, _, _ = nested
    link(shop, "base/more", server.url("nowhere.git"), "1" * 40)
    with pytest.raises(SourceError):
        await opened().latest()
    assert not [path for path in (tmp_path / "clone/checkouts").iterdir() if path.is_dir()]


async def test_submodule_commit_that_was_never_pushed(opened, server, nested):
    shop, _, _ = nested
    link(shop, "base/more", server.url("data.git"), "1" * 40)
    with pytest.raises(SourceError, match="has no commit 1111"):
        await opened().latest()


async def test_token_goes_along_to_the_same_host_only(opened, server, nested, tmp_path):
    shop, _, _ = nested
    server.token = CANARY
    assert (await opened("own", token=Secret(env="X")).latest()).root
    with serving(tmp_path / "elsewhere") as other:
        foreign = other.repository("foreign.git")
        foreign.commit({"f.txt": "f"})
        link(shop, "base/foreign", other.url("foreign.git"), foreign.head)
        assert ((await opened(token=Secret(env="X")).latest()).root / "base/foreign/f.txt").read_text() == "f"
        assert other.requests
        assert all(not sent for _, _, sent in other.requests)
        other.token = CANARY
        with pytest.raises(SourceError, match=r"the server wants a token.*shown to no other host"):
            await opened("refused", token=Secret(env="X")).latest()
        assert all(not sent for _, _, sent in other.requests)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("{path}", "is on this machine"),
        ("file://{path}", "is on this machine"),
        ("ext::sh -c touch% /tmp/pwned", "transport helper"),
        ("https://ann:pw-canary-1@example.org/x.git", "holds a password"),
        ("--upload-pack=touch", "begins with '-'"),
        ("ssh://-oProxyCommand=touch/x", "begins with '-'"),
        ("git://127.0.0.1/x", "begins with git://"),
    ],
)
async def test_addresses_that_a_repository_may_not_name(opened, nested, url, wanted):
    shop, _, data = nested
    link(shop, "base/bad", url.format(path=data.bare), data.head)
    with pytest.raises(SourceError, match=wanted) as caught:
        await opened().latest()
    assert "submodule base/bad in .gitmodules" in str(caught.value)
    assert "pw-canary-1" not in str(caught.value)


async def test_submodule_without_an_address(opened, nested):
    shop, _, data = nested
    git(shop.work, "update-index", "--add", "--cacheinfo", f"160000,{data.head},base/lost")
    git(shop.work, "commit", "-q", "-m", "lost")
    shop.push("HEAD:refs/heads/main")
    with pytest.raises(SourceError, match=r"has a submodule at base/lost, and .gitmodules names no address"):
        await opened().latest()


async def test_project_in_a_submodule_that_moves_is_all_new(opened, server):
    inner = server.repository("inner.git")
    inner.commit({"gitops.yaml": GITOPS})
    outer = server.repository("shop.git")
    outer.commit({"README": "x"})
    link(outer, "deploy", "./../inner.git", inner.head)
    source = opened(path="deploy")
    first = await source.latest()
    inner.commit({"base/a.yml": "a: 1\n"})
    git(outer.work, "update-index", "--cacheinfo", f"160000,{inner.head},deploy")
    git(outer.work, "commit", "-q", "-m", "on")
    outer.push("HEAD:refs/heads/main")
    second = await source.latest()
    assert (second.root / "base/a.yml").exists()
    assert await source.paths_between(first, second) is None
