"""What the checkout holds at the paths that manifests name."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from reconciler.errors import SourceError
from reconciler.load.survey import content_hash, survey
from reconciler.load.yaml_reader import parse

if TYPE_CHECKING:
    from pathlib import Path


def held(root, path, *, digests=True, kind="model", field="path"):
    (document,), _ = parse(f"kind: {kind}\nname: m\n{field}: '{path}'\n".encode(), "base/m.yml")
    return survey([document], root, digests=digests)


def only(root, path, **kwargs):
    (found,) = held(root, path, **kwargs).values()
    return found


@pytest.fixture
def root(tmp_path):
    model = tmp_path / "base" / "model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "model.pkl").write_bytes(bytes(range(256)))
    (model / "data" / "requirements.txt").write_text("mlflow\n")
    (model / "data" / "conda.yaml").write_bytes(b"\xff")
    (tmp_path / "base" / "conda.yml").write_text("dependencies: [pip]\n")
    (tmp_path / "base" / "model.pkl").write_bytes(b"1234")
    return tmp_path


def test_a_folder(root):
    found = only(root, "model")
    assert (found.path, found.kind, found.size_bytes) == ("base/model", "folder", 12 + 256 + 7 + 1)
    assert found.files == ("MLmodel", "data/conda.yaml", "data/requirements.txt", "model.pkl")
    assert found.texts == {"MLmodel": "flavors: {}\n", "data/requirements.txt": "mlflow\n"}
    assert found.digest == content_hash(root / "base" / "model")


def test_a_file(root):
    found = only(root, "conda.yml", kind="environment", field="conda_file")
    assert (found.kind, found.files, found.data) == ("file", ("conda.yml",), {"dependencies": ["pip"]})
    assert found.texts == {"conda.yml": "dependencies: [pip]\n"}
    found = only(root, "model.pkl", digests=False)
    assert (found.kind, found.size_bytes, found.texts, found.data, found.digest) == ("file", 4, {}, None, None)


def test_nothing_there(root):
    assert only(root, "nowhere").kind == "missing"


@pytest.mark.parametrize("path", ["../..", "../../elsewhere", "/etc/hostname"])
def test_out_of_the_project(root, path):
    assert only(root, path).kind == "outside"


def test_an_absolute_path_is_outside_wherever_it_leads(root):
    assert only(root, root / "base" / "model").kind == "outside"


def test_a_link_out_of_the_project(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x").write_text("x")
    (root / "base" / "link").symlink_to(outside)
    assert only(root, "link").kind == "outside"
    (root / "base" / "model" / "data" / "x").symlink_to(outside / "x")
    found = only(root, "model")
    assert (found.kind, found.files, found.digest) == ("outside", ("data/x",), None)


def test_a_link_inside_the_project_is_followed(root):
    (root / "base" / "model" / "more").symlink_to(root / "base" / "model" / "data")
    assert "more/requirements.txt" in only(root, "model").files


def test_a_link_into_itself_is_refused(root):
    (root / "base" / "model" / "data" / "loop").symlink_to(root / "base")
    with pytest.raises(SourceError, match="link into a folder that it lies in"):
        only(root, "model")


def test_ignored_members_are_not_there(root):
    before = only(root, "model")
    (root / "base" / "model" / ".amlignore").write_text("data/\n.amlignore\n*.tmp\n!keep.tmp\n")
    (root / "base" / "model" / "a.tmp").write_text("x")
    (root / "base" / "model" / "keep.tmp").write_text("x")
    found = only(root, "model")
    assert found.files == ("MLmodel", "keep.tmp", "model.pkl")
    assert found.digest != before.digest


def test_a_broken_pattern_says_where(root):
    (root / "base" / "model" / ".gitignore").write_text("ok\n[z-a]\n")
    with pytest.raises(SourceError, match=r"\.gitignore: '\[z-a\]'"):
        only(root, "model")


def test_unparsable_content_is_no_content(root):
    (root / "base" / "conda.yml").write_text("a: [\n")
    found = only(root, "conda.yml", kind="environment", field="conda_file")
    assert (found.data, found.texts) == (None, {"conda.yml": "a: [\n"})


def test_addresses_are_not_looked_at(root):
    assert held(root, "azureml://datastores/x/paths/y") == {}


def test_the_same_path_is_looked_at_once_and_order_does_not_matter(root):
    documents, _ = parse(
        b"kind: model\nname: a\npath: model\n---\nkind: model\nname: b\npath: ./model/\n", "base/m.yml"
    )
    assert list(survey(documents, root, digests=False)) == ["base/model"]
    assert survey(documents[::-1], root, digests=True) == survey(documents, root, digests=True)


def test_memory_does_not_grow_with_the_file(root):
    with (root / "base" / "big").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    try:
        content_hash(root / "base" / "big")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_pipe_in_a_model_folder_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model" / "pipe")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        content_hash(tmp_path / "model")
