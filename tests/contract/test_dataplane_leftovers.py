"""What is left of scoring processes when the emulator itself is killed, and what the next start does about it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap

import psutil
import pytest

from aml_emulator.dataplane.leftovers import sweep
from aml_emulator.dataplane.plane import ProcessDataPlane

pytestmark = pytest.mark.slow


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def end_of(pid: int) -> None:
    async with asyncio.timeout(10):
        while not gone(pid):
            await asyncio.sleep(0.02)


EMULATOR = """
    import asyncio, json, sys
    from pathlib import Path
    from aml_emulator.dataplane.interface import DeploymentSpec, Probe, ScoreRequest
    from aml_emulator.dataplane.plane import ProcessDataPlane

    async def main(folder):
        probe = Probe(10, 10, 2, 30, 1)
        model = (None, None, None, "custom_model")
        spec = DeploymentSpec("k", "blue", folder / "code", "score.py", *model, {}, 600, 1, probe, probe)
        plane = ProcessDataPlane(folder / "dataplane")
        await plane.start(spec)
        asking = asyncio.create_task(plane.score("k", ScoreRequest("POST", "/score", "", {}, b"")))
        while "busy " not in plane.logs("k", None):
            await asyncio.sleep(0.01)
        print(plane.logs("k", None).partition("busy ")[2], flush=True)
        await asking

    asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no parent-death signal exists; the sweep does it")
async def test_nothing_outlives_an_emulator_that_was_killed(tmp_path):
    source = """
        import os, subprocess, threading
        def init():
            global child
            child = subprocess.Popen(["sleep", "600"])
        def run(data):
            print("busy", [os.getpid(), child.pid])
            threading.Event().wait()
    """
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(textwrap.dedent(source))
    command = [sys.executable, "-c", textwrap.dedent(EMULATOR), str(tmp_path)]
    emulator = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    server, child = json.loads(await emulator.stdout.readline())
    emulator.kill()
    await emulator.wait()
    # By the kernel alone: a server that is busy in run() cannot look for its parent.
    await end_of(server)
    # What the script had started is beyond the kernel's reach and is found at the next start.
    assert not gone(child)
    ProcessDataPlane(tmp_path / "dataplane")
    await end_of(child)
    assert list((tmp_path / "dataplane").glob("*/*/")) == []


@pytest.mark.parametrize("mark", ["command line", "environment", "neither"])
def test_the_sweep_ends_only_what_bears_the_mark_of_its_folder(tmp_path, mark):
    folder = tmp_path / "dataplane"
    process_folder = folder / "blue-1" / "1"
    process_folder.mkdir(parents=True)
    environment = {"HOME": f"{process_folder}/home"} if mark == "environment" else {"HOME": f"{folder}-of-another"}
    argument = str(process_folder / "socket") if mark == "command line" else "x"
    command = [sys.executable, "-c", "import time; time.sleep(600)", argument]
    with subprocess.Popen(command, start_new_session=True, env=environment) as process:
        started = psutil.Process(process.pid).create_time()
        identity = {"pid": process.pid, "started": started, "socket": str(process_folder / "socket")}
        (process_folder / "process.json").write_text(json.dumps(identity))
        ended = sweep(folder)
        survived = process.poll() is None and mark == "neither"
        process.kill()
    assert ended == (0 if survived else 1)
    assert survived == (mark == "neither")
    assert not process_folder.exists()


def test_the_sweep_spares_a_process_older_than_the_one_remembered(tmp_path):
    process_folder = tmp_path / "blue-1" / "1"
    process_folder.mkdir(parents=True)
    command = [sys.executable, "-c", "import time; time.sleep(600)", str(process_folder / "socket")]
    with subprocess.Popen(command, start_new_session=True) as process:
        later = psutil.Process(process.pid).create_time() + 60
        identity = {"pid": process.pid, "started": later, "socket": str(process_folder / "socket")}
        (process_folder / "process.json").write_text(json.dumps(identity))
        assert sweep(tmp_path) == 0
        assert process.poll() is None
        process.kill()
