"""Our content hash and ignore rules against azure-ai-ml's own."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.load.ignore_file import IgnoreFile, ignore_file
from reconciler.load.survey import content_hash

asset_utils = pytest.importorskip("azure.ai.ml._utils._asset_utils")
pathspec = pytest.importorskip("azure.ai.ml._utils._pathspec")

TREES = {
    "empty": {},
    "flat": {"a.txt": b"a", "B.txt": b"b", "c": b""},
    "nested": {"src/score.py": b"def run(): ...", "src/lib/x.py": b"1", "README": b"x" * 5000, "z/z/z/z": b"deep"},
    "odd names": {"ä b/ü.txt": b"1", "a-b": b"2", "a.b": b"3", "a_b": b"4", "A/x": b"5", "aa": b"6"},
    "bytes": {"a/x.bin": bytes(range(256))},
    "large": {"weights.bin": random.Random(7).randbytes(3 * 1024 * 1024 + 17)},
    "amlignore": {
        ".amlignore": b"*.log\n/build/\n# no\n!keep.log\n",
        **dict.fromkeys(("x.log", "keep.log", "build/o", "src/build/o"), b"1"),
    },
    "gitignore": {
        ".gitignore": b"__pycache__/\nmodels\n",
        **dict.fromkeys(("__pycache__/x.pyc", "a/__pycache__/y.pyc", "models/m", "m"), b"1"),
    },
    "both": {".amlignore": b"a\n", ".gitignore": b"b\n", "a": b"1", "b": b"2"},
    "inner": {"sub/.amlignore": b"x\n", "sub/x": b"1"},
    "windows lines": {".amlignore": b"\xef\xbb\xbfa.txt\r\nb/*\r\n", "a.txt": b"1", "b/c": b"2", "b/d/e": b"3"},
}


def plant(root, files):
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def theirs(path):
    return asset_utils.get_object_hash(path, asset_utils.get_ignore_file(path))


@pytest.mark.parametrize("name", TREES)
def test_equal_for_every_tree(tmp_path, name):
    folder = plant(tmp_path / "tree", TREES[name])
    assert content_hash(folder) == theirs(folder)


def test_equal_for_single_files(tmp_path):
    folder = plant(tmp_path / "tree", TREES["large"] | TREES["flat"])
    for path in folder.iterdir():
        assert content_hash(path) == theirs(path)


def test_equal_through_links(tmp_path):
    folder = plant(tmp_path / "tree", TREES["nested"])
    shared = plant(tmp_path / "shared", TREES["gitignore"])
    (folder / "link.py").symlink_to(folder / "src" / "score.py")
    (folder / "linked").symlink_to(shared)
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / ".amlignore").write_text("README\nlinked/m\nsrc/lib\n")
    (tmp_path / "door").symlink_to(folder)
    for path in (folder, tmp_path / "door", folder / "link.py"):
        assert content_hash(path) == theirs(path)


@pytest.mark.parametrize("name", ["flat", "nested", "amlignore"])
def test_every_change_changes_it(tmp_path, name):
    folder = plant(tmp_path / "tree", TREES[name])
    before = content_hash(folder)
    left_out = {".log", "build"}
    first = min(p for p in folder.rglob("*") if p.is_file() and not {p.suffix, p.parent.name} & left_out)
    first.write_bytes(first.read_bytes() + b"\n#")
    changed = content_hash(folder)
    first.rename(first.with_name("renamed"))
    assert len({before, changed, content_hash(folder)}) == 3


LINES = st.text("ab*?[]!-/\\#. ", max_size=10) | st.sampled_from(
    ["**", "**/", "a/**/b", "/**/a", "**/**/a", "*.py[co]", "[!a]b", "[]a]", "[^a]"]
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "a.b", "-", "]", "^", "!", "#a", "a b"]), min_size=1, max_size=4).map(
    "/".join
)


@settings(max_examples=400, deadline=None)
@given(lines=st.lists(LINES, max_size=4), paths=st.lists(PATHS, min_size=1, max_size=6))
@example(lines=["[!]", "[]", "[]]", "a/", "/a", "a/b/"], paths=["[!]", "[]", "a/b/a", "!", "]"])
def test_patterns_mean_the_same(tmp_path_factory, lines, paths):
    folder = tmp_path_factory.getbasetemp() / "patterns"
    folder.mkdir(exist_ok=True)
    usable = [line for line in lines if understood(line)]
    (folder / ".amlignore").write_text("\n".join(usable))
    ours, their = ignore_file(folder), asset_utils.get_ignore_file(folder)
    for path in paths:
        assert ours.leaves_out(str(folder / path)) == bool(their.is_file_excluded(folder / path)), (usable, path)


def understood(line):
    try:
        pathspec.GitWildMatchPattern(line.rstrip())
    except (pathspec.GitWildMatchPatternError, re.error, FutureWarning):
        return False
    return True


def test_no_ignore_file_leaves_nothing_out(tmp_path):
    assert not ignore_file(tmp_path).leaves_out(str(tmp_path / "x"))
    assert not IgnoreFile(str(tmp_path)).leaves_out("x")
