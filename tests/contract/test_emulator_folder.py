"""The state folder: whose it is, who holds it, and what is read from it when files are lost."""

from __future__ import annotations

import json

import pytest

from aml_emulator.__main__ import main
from aml_emulator.folder import Folder, NotOurs
from aml_emulator.store import Store


def test_emulator_reset_and_start_touch_nothing_in_a_folder_that_is_not_its_own(tmp_path, capsys):
    precious = tmp_path / "assets" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    (tmp_path / "lock").write_text("")
    before = sorted(tmp_path.rglob("*"))
    for action in ("reset", "start", "serve"):
        assert main([action, "--folder", str(tmp_path), "-o", "json"]) == 1
        answer = json.loads(capsys.readouterr().out)
        assert answer["state"] == "refused"
        assert str(tmp_path) in answer["error"]
    assert main(["stop", "--folder", str(tmp_path)]) == 0
    assert main(["status", "--folder", str(tmp_path)]) == 3
    assert sorted(tmp_path.rglob("*")) == before
    assert precious.read_text() == "years of work"


def test_emulator_reset_wipes_what_an_emulator_made_and_can_be_started_again(tmp_path):
    folder = Folder(tmp_path / "state")
    folder.prepare()
    (folder.root / "assets").mkdir()
    (folder.root / "mine.txt").write_text("mine")
    assert main(["reset", "--folder", str(folder.root)]) == 0
    assert sorted(path.name for path in folder.root.iterdir()) == [".aml-emulator", "mine.txt"]
    folder.prepare()
    (folder.root / "mine.txt").unlink()
    folder.wipe()
    assert list(folder.root.iterdir()) == []


def test_emulator_knows_a_folder_of_a_version_that_wrote_no_marker(tmp_path):
    Store(tmp_path / "state.db").close()
    Folder(tmp_path).prepare()
    other = tmp_path / "other"
    other.mkdir()
    (other / "state.db").write_text("another program's")
    with pytest.raises(NotOurs):
        Folder(other).prepare()
