"""The emulator as a program that runs by itself: found, stopped and ended also when its files were lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads environments in /proc"),
]


async def program(action, folder):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aml_emulator", action, "--folder", str(folder), "-o", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert b"Traceback" not in errors
    return process.returncode, json.loads(output)


@pytest.fixture
async def started(tmp_path):
    folder = tmp_path / "state"
    code, answer = await program("start", folder)
    assert (code, answer["state"]) == (0, "started")
    yield folder, answer
    await program("stop", folder)
    assert await ended(answer["pid"])


async def ended(pid, within_s=10):
    try:
        async with asyncio.timeout(within_s):
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.02)
    except psutil.NoSuchProcess:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"version": 1}'])
async def test_emulator_is_found_and_stopped_without_its_connection_file(started, content):
    folder, answer = started
    (folder / "connection.json").unlink()
    if content is not None:
        (folder / "connection.json").write_text(content)
    assert await program("status", folder) == (0, {"version": 1, "state": "running", "pid": answer["pid"]})
    assert (await program("stop", folder))[1]["state"] == "stopped"
    assert await ended(answer["pid"], 0.1)
    assert (await program("status", folder))[0] == 3
    assert (await program("reset", folder))[0] == 0


async def test_emulator_ends_by_itself_when_its_folder_is_removed(started):
    folder, answer = started
    shutil.rmtree(folder)
    assert await ended(answer["pid"])
    assert not folder.exists()


async def test_emulator_started_twice_at_once_runs_once(tmp_path):
    folder = tmp_path / "state"
    try:
        answers = await asyncio.gather(*(program("start", folder) for _ in range(3)))
        assert [code for code, _ in answers] == [0, 0, 0]
        assert sorted(answer["state"] for _, answer in answers) == ["already running", "already running", "started"]
        assert len({answer["pid"] for _, answer in answers}) == 1
    finally:
        await program("stop", folder)


async def test_emulator_does_not_inherit_the_callers_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "not for scripts")
    folder = tmp_path / "state"
    try:
        _, answer = await program("start", folder)
        seen = Path(f"/proc/{answer['pid']}/environ").read_bytes()
        names = {line.partition(b"=")[0].decode() for line in seen.split(b"\0")}
        names = {name for name in names if name and not name.startswith("LC_")}
        assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH"}
    finally:
        await program("stop", folder)
