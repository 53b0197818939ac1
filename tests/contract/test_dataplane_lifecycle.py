"""Processes over their life: crash, restart, update, overload, stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from scripts import KEY, deployment

from aml_emulator.dataplane.interface import Probe, ScoreRequest, ScoreResponse, StartFailed
from aml_emulator.dataplane.plane import ProcessDataPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PID = "import os\ndef init(): pass\ndef run(data): return os.getpid()\n"

pytestmark = pytest.mark.slow


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ProcessDataPlane]:
    plane = ProcessDataPlane(tmp_path / "dataplane")
    yield plane
    await plane.close()


async def post(plane: ProcessDataPlane, body: object = None, key: str = KEY) -> ScoreResponse:
    content = {"Content-Type": "application/json"}
    return await plane.score(key, ScoreRequest("POST", "/score", "", content, json.dumps(body).encode()))


async def pid_of(plane: ProcessDataPlane, key: str = KEY) -> int:
    return json.loads((await post(plane, key=key)).body)


async def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def next_answer(plane: ProcessDataPlane) -> Any:
    async with asyncio.timeout(10):
        while (answer := await post(plane)).status != 200:
            await asyncio.sleep(0.02)
    return json.loads(answer.body)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_process_that_crashes_in_run_is_replaced(plane, tmp_path):
    source = """
        import json, os
        def init(): pass
        def run(data):
            if json.loads(data) == "crash":
                os._exit(1)
            return os.getpid()
    """
    await plane.start(deployment(tmp_path, source))
    pids = {await pid_of(plane)}
    for _ in range(2):
        answer = await post(plane, "crash")
        assert (answer.status, answer.headers["ms-azureml-model-error-reason"]) == (424, "model_not_ready")
        pids.add(await next_answer(plane))
    assert len(pids) == 3
    assert "Name: BackOff, Type: Warning" in plane.logs(KEY, None)
    assert len(list((tmp_path / "dataplane").glob("*/*/"))) == 1


async def test_a_crash_is_noticed_although_what_the_script_had_started_lives_on(plane, tmp_path):
    source = """
        import json, os, subprocess
        def init():
            global child
            child = subprocess.Popen(["sleep", "600"])
        def run(data):
            if json.loads(data) == "crash":
                os._exit(1)
            return [os.getpid(), child.pid]
    """
    await plane.start(deployment(tmp_path, source))
    first, first_child = json.loads((await post(plane)).body)
    await post(plane, "crash")
    second, second_child = await next_answer(plane)
    assert second != first
    assert gone(first_child)
    assert not gone(second_child)


async def test_a_process_that_hangs_is_replaced_when_its_liveness_probe_fails(plane, tmp_path):
    source = """
        import json, os, threading
        def init(): pass
        def run(data):
            if json.loads(data) == "hang":
                threading.Event().wait()
            return os.getpid()
    """
    liveness = Probe(initial_delay_s=0.1, period_s=0.1, timeout_s=0.1, failure_threshold=3, success_threshold=1)
    await plane.start(deployment(tmp_path, source, liveness=liveness, request_timeout_s=0.3))
    first = await pid_of(plane)
    late = await post(plane, "hang")
    assert (late.status, late.headers["ms-azureml-model-error-reason"]) == (408, "request_timeout")
    assert await next_answer(plane) != first
    assert gone(first)


async def test_a_late_answer_is_a_408_and_the_next_request_is_answered(plane, tmp_path):
    source = """
        import json, threading
        def init(): pass
        def run(data): return threading.Event().wait(json.loads(data))
    """
    await plane.start(deployment(tmp_path, source, request_timeout_s=0.4))
    assert [(await post(plane, seconds)).status for seconds in (0.6, 0.0)] == [408, 200]


async def test_an_update_loses_no_request_and_ends_the_old_process(plane, tmp_path):
    source = "import os\ndef init(): pass\ndef run(data): return [{}, os.getpid()]"
    concurrent = {"max_concurrent_requests": 4}
    await plane.start(deployment(tmp_path, source.format(1), **concurrent))
    answers: list[ScoreResponse] = []
    updated = asyncio.Event()

    async def hammer() -> None:
        while not updated.is_set():
            answers.append(await post(plane))
            await asyncio.sleep(0.002)

    hammering = [asyncio.create_task(hammer()) for _ in range(4)]
    for version in (2, 3):
        await plane.start(deployment(tmp_path, source.format(version), **concurrent))
    await asyncio.sleep(0.1)
    updated.set()
    await asyncio.gather(*hammering)
    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    told = [json.loads(answer.body) for answer in answers]
    versions = [version for version, _ in told]
    assert set(versions) == {1, 2, 3}
    old = {pid for version, pid in told if version < 3}
    await eventually(lambda: all(gone(pid) for pid in old))
    assert json.loads((await post(plane)).body)[0] == 3


async def test_a_request_under_way_is_answered_by_the_process_that_took_it(plane, tmp_path):
    source = """
        import pathlib, signal, threading
        def init(): pass
        def run(data):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            folder = pathlib.Path(data.strip('"'))
            (folder / "taken").touch()
            while not (folder / "go").exists():
                threading.Event().wait(0.01)
            return "old"
    """
    await plane.start(deployment(tmp_path, source))
    under_way = asyncio.create_task(post(plane, str(tmp_path)))
    await eventually((tmp_path / "taken").exists)
    await plane.start(deployment(tmp_path, "def init(): pass\ndef run(data): return 'new'"))
    assert json.loads((await post(plane)).body) == "new"
    assert not under_way.done()
    (tmp_path / "go").touch()
    assert json.loads((await under_way).body) == "old"


async def test_an_update_that_fails_leaves_the_old_process_serving(plane, tmp_path):
    await plane.start(deployment(tmp_path, PID))
    first = await pid_of(plane)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(StartFailed, match="boom") as failure:
        await plane.start(deployment(other, "def init(): raise OSError('boom')\ndef run(data): pass"))
    assert "OSError: boom" in failure.value.log_tail
    assert str(first) not in failure.value.log_tail
    assert await pid_of(plane) == first
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: gone(first))
    assert await next_answer(plane) != first


async def test_twice_the_limit_may_be_outstanding_and_only_the_limit_runs(plane, tmp_path):
    source = """
        import pathlib, threading
        started = pathlib.Path("started")
        def init(): started.touch()
        def run(data):
            with started.open("a") as file:
                file.write("x")
            while not pathlib.Path(data.strip('"')).exists():
                threading.Event().wait(0.01)
            return "done"
    """
    await plane.start(deployment(tmp_path, source, max_concurrent_requests=1))
    go = tmp_path / "go"
    outstanding = [asyncio.create_task(post(plane, str(go))) for _ in range(2)]
    (started,) = (tmp_path / "dataplane").rglob("started")
    await eventually(lambda: started.read_text() == "x")
    turned_away = await post(plane, str(go))
    assert (turned_away.status, turned_away.body) == (429, b"")
    assert turned_away.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert started.read_text() == "x"
    go.touch()
    assert [(await task).status for task in outstanding] == [200, 200]
    assert (await post(plane, str(go))).status == 200


async def test_worker_count_gives_workers_that_run_at_the_same_time(plane, tmp_path):
    source = """
        import os, pathlib, threading
        def init(): pass
        def run(data):
            meeting = pathlib.Path(data.strip('"'))
            (meeting / str(os.getpid())).touch()
            while len(list(meeting.iterdir())) < 2:
                threading.Event().wait(0.01)
            return [os.getpid(), os.getppid()]
    """
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    two = {"max_concurrent_requests": 2, "environment_variables": {"WORKER_COUNT": "2"}}
    await plane.start(deployment(tmp_path, source, **two))
    answers = await asyncio.gather(*(post(plane, str(meeting)) for _ in range(2)))
    (first, master), (second, same_master) = (json.loads(answer.body) for answer in answers)
    assert first != second
    assert master == same_master
    os.kill(master, signal.SIGKILL)
    await eventually(lambda: gone(first) and gone(second), within_s=2)


async def test_stop_ends_the_process_and_what_it_had_started_and_is_idempotent(plane, tmp_path):
    source = """
        import os, signal, subprocess
        def init():
            global child
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen(["sleep", "600"])
        def run(data): return [os.getpid(), child.pid]
    """
    await plane.start(deployment(tmp_path, source))
    pids = json.loads((await post(plane)).body)
    assert not any(gone(pid) for pid in pids)
    await plane.stop(KEY)
    assert all(gone(pid) for pid in pids)
    await plane.stop(KEY)
    assert list((tmp_path / "dataplane").iterdir()) == []
    with pytest.raises(KeyError):
        await post(plane)


async def test_stop_ends_a_start_that_is_under_way(plane, tmp_path):
    source = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    starting = asyncio.create_task(plane.start(deployment(tmp_path, source)))
    await eventually(lambda: any(path.stat().st_size for path in (tmp_path / "dataplane").rglob("code/pid")))
    (pid_file,) = (tmp_path / "dataplane").rglob("code/pid")
    pid = int(pid_file.read_text())
    await plane.stop(KEY)
    with pytest.raises(StartFailed) as failure:
        await starting
    assert failure.value.code == "OperationCanceled"
    assert gone(pid)
    assert list((tmp_path / "dataplane").iterdir()) == []


async def test_a_cancelled_start_leaves_no_process(plane, tmp_path):
    source = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    starting = asyncio.create_task(plane.start(deployment(tmp_path, source)))
    await eventually(lambda: any(path.stat().st_size for path in (tmp_path / "dataplane").rglob("code/pid")))
    (pid_file,) = (tmp_path / "dataplane").rglob("code/pid")
    pid = int(pid_file.read_text())
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert gone(pid)
    assert list((tmp_path / "dataplane").glob("*/*/")) == []


async def test_close_ends_all_and_keeps_the_logs(tmp_path):
    plane = ProcessDataPlane(tmp_path / "dataplane")
    keys = [f"ws/churn/{name}" for name in ("blue", "green", "grey")]
    await asyncio.gather(*(plane.start(deployment(tmp_path, PID, key=key)) for key in keys))
    pids = [await pid_of(plane, key) for key in keys]
    assert len(set(pids)) == 3
    await plane.close()
    assert all(gone(pid) for pid in pids)
    assert list((tmp_path / "dataplane").glob("*/*/")) == []
    assert "ready for serving traffic" in ProcessDataPlane(tmp_path / "dataplane").logs(keys[0], None)
