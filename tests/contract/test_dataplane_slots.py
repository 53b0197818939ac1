"""What starts does not hold up what already serves."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from aml_emulator.dataplane.interface import DeploymentSpec, Probe, ScoreRequest, StartFailed
from aml_emulator.dataplane.plane import ProcessDataPlane

if TYPE_CHECKING:
    from pathlib import Path

PROBE = Probe(initial_delay_s=10, period_s=10, timeout_s=2, failure_threshold=30, success_threshold=1)
PID = "import os\ndef init(): pass\ndef run(data): return os.getpid()\n"
HANGS = """
import threading
def init():
    print("hanging", flush=True)
    threading.Event().wait()
def run(data): ...
"""
MODEL = (None, None, None, "custom_model")

pytestmark = pytest.mark.slow


def deployment(tmp_path: Path, key: str, source: str) -> DeploymentSpec:
    code = tmp_path / key
    code.mkdir()
    (code / "score.py").write_text(source)
    return DeploymentSpec(key, key, code, "score.py", *MODEL, {}, 5.0, 1, PROBE, PROBE)


async def test_starts_that_hang_do_not_keep_a_crashed_deployment_from_coming_back(tmp_path):
    plane = ProcessDataPlane(tmp_path / "dataplane", max_starting=1)
    asked = ScoreRequest("POST", "/score", "", {"Content-Type": "application/json"}, b"1")
    try:
        await plane.start(deployment(tmp_path, "healthy", PID))
        first = int((await plane.score("healthy", asked)).body)
        hanging = asyncio.create_task(plane.start(deployment(tmp_path, "hangs", HANGS)))
        async with asyncio.timeout(15):
            while "hanging" not in plane.logs("hangs", None):
                await asyncio.sleep(0.02)
            os.kill(first, signal.SIGKILL)
            while (answer := await plane.score("healthy", asked)).status != 200:
                await asyncio.sleep(0.02)
        assert int(answer.body) != first
        assert not hanging.done()
    finally:
        await plane.close()
    await asyncio.wait({hanging})
    assert isinstance(hanging.exception(), StartFailed)
