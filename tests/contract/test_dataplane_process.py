"""A deployment is a real process: what it answers, what it sees, and how it says that it could not start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from scripts import KEY, deployment

from aml_emulator.dataplane.interface import Probe, ScoreRequest, ScoreResponse, StartFailed
from aml_emulator.dataplane.plane import ProcessDataPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ECHO = "def init(): pass\ndef run(data): return data\n"

pytestmark = pytest.mark.slow


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ProcessDataPlane]:
    plane = ProcessDataPlane(tmp_path / "dataplane")
    yield plane
    await plane.close()


async def post(plane: ProcessDataPlane, body: object = None, **headers: str) -> ScoreResponse:
    content = {"Content-Type": "application/json", **headers}
    return await plane.score(KEY, ScoreRequest("POST", "/score", "", content, json.dumps(body).encode()))


async def test_a_custom_script_answers_with_the_headers_of_the_recorded_traffic(plane, tmp_path):
    await plane.start(deployment(tmp_path, ECHO))
    answer = await post(plane, [1, 2], **{"x-request-id": "req-1", "Authorization": "Bearer key"})
    assert (answer.status, json.loads(answer.body)) == (200, "[1, 2]")
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert float(answer.headers["x-ms-run-fn-exec-ms"]) >= 0
    assert answer.headers["Content-Type"] == "application/json"
    assert {k.lower(): v for k, v in answer.headers.items()}["x-request-id"] == "req-1"
    assert {"ms-azureml-model-error-reason", "server"}.isdisjoint(name.lower() for name in answer.headers)


async def test_the_script_sees_azures_variables_the_users_and_nothing_of_the_emulator(plane, tmp_path, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "not for scripts")
    version = tmp_path / "store" / "7f3a"
    (version / "model").mkdir(parents=True)
    (version / "model" / "weights.txt").write_text("42")
    source = """
        import os, pathlib
        def init(): pass
        def run(data):
            weights = pathlib.Path(os.environ["AZUREML_MODEL_DIR"], "model", "weights.txt").read_text()
            return {"env": dict(os.environ), "cwd": os.getcwd(), "weights": weights}
    """
    spec = deployment(
        tmp_path,
        source,
        model_dir=version,
        model_name="churn",
        model_version="3",
        environment_variables={"THRESHOLD": "0.5", "AML_APP_INSIGHTS_ENABLED": "true"},
    )
    await plane.start(spec)
    seen = json.loads((await post(plane)).body)
    env = seen["env"]
    # The last four are set by the inference server itself.
    assert set(env) == {
        *("PATH", "HOME", "TMPDIR", "LANG", "PYTHONDONTWRITEBYTECODE", "THRESHOLD"),
        *("AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"),
        *("AML_APP_INSIGHTS_ENABLED", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"),
        *("TRANSPORT_PROTOCOL", "WORKER_COUNT", "HTTP_X_MS_SERVER_VERSION", "SERVER_PORT", "HEALTH_PORT"),
    }
    assert env["AZUREML_MODEL_DIR"].endswith("/azureml-models/churn/3")
    assert env["AML_APP_ROOT"].endswith("/azureml-app/code")
    assert env["AML_APP_ROOT"] == seen["cwd"]
    assert env["AZUREML_ENTRY_SCRIPT"] == f"{env['AML_APP_ROOT']}/score.py"
    assert all(env[name].startswith(f"{tmp_path}/dataplane/") for name in ("HOME", "TMPDIR", "AML_APP_ROOT"))
    assert (env["THRESHOLD"], env["AML_APP_INSIGHTS_ENABLED"], seen["weights"]) == ("0.5", "false", "42")


async def test_it_listens_on_a_unix_socket_only(plane, tmp_path):
    await plane.start(deployment(tmp_path, "import os\ndef init(): pass\ndef run(data): return os.getpid()"))
    process = psutil.Process(json.loads((await post(plane)).body))
    assert process.connections(kind="inet") == []
    (path,) = {connection.laddr for connection in process.connections(kind="unix") if connection.laddr}
    # Below the folder of its process, or where that is too long for a socket, in a folder of its own.
    assert await asyncio.to_thread(Path(path).is_socket)
    assert (await asyncio.to_thread(Path(path).stat)).st_mode & 0o077 == 0


async def test_the_code_folder_is_not_touched_and_writes_stay_private(plane, tmp_path):
    source = (
        "import helper_of_score\ndef init(): open('scratch', 'w').close()\ndef run(data): return helper_of_score.VALUE"
    )
    spec = deployment(tmp_path, source)
    (tmp_path / "code" / "helper_of_score.py").write_text("VALUE = 7\n")
    await plane.start(spec)
    assert json.loads((await post(plane)).body) == 7
    assert sorted(path.name for path in (tmp_path / "code").rglob("*")) == ["helper_of_score.py", "score.py"]


async def test_rawhttp_scripts_choose_status_headers_and_body(plane, tmp_path):
    source = """
        from azureml_inference_server_http.api.aml_request import rawhttp
        from azureml_inference_server_http.api.aml_response import AMLResponse
        def init(): pass
        @rawhttp
        def run(request):
            body = request.get_data() + request.args["q"].encode()
            headers = {"x-mine": "1", "ms-azureml-model-error-reason": "model_not_ready"}
            return AMLResponse(body, 418, headers)
    """
    await plane.start(deployment(tmp_path, source))
    answer = await plane.score(KEY, ScoreRequest("POST", "/score", "q=z", {}, b"\x00\xff"))
    assert (answer.status, answer.body, answer.headers["x-mine"]) == (418, b"\x00\xffz", "1")
    assert "ms-azureml-model-error-reason" not in answer.headers


async def test_run_raising_is_the_servers_500_and_a_traceback_in_the_log(plane, tmp_path):
    source = "def init(): pass\ndef run(data): return 1 / int(data)"
    await plane.start(deployment(tmp_path, source))
    failed = await post(plane, 0)
    assert (failed.status, failed.headers["x-ms-run-function-failed"]) == (500, "True")
    assert "An unexpected error occurred in scoring script" in failed.body.decode()
    assert (await post(plane, 1)).status == 200
    assert "ZeroDivisionError: division by zero" in plane.logs(KEY, None)


async def test_health_and_swagger_are_answered(plane, tmp_path):
    await plane.start(deployment(tmp_path, ECHO))
    health = await plane.score(KEY, ScoreRequest("GET", "/", "", {}, b""))
    swagger = await plane.score(KEY, ScoreRequest("GET", "/swagger.json", "version=3", {}, b""))
    assert (health.status, health.body) == (200, b"Healthy")
    assert json.loads(swagger.body)["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("source", "reason", "in_tail"),
    [
        (
            "def init(): raise ValueError('no weights')\ndef run(d): pass",
            "exit code 3. ValueError: no weights",
            "in init",
        ),
        ("import no_such_module\ndef init(): pass\ndef run(d): pass", "'no_such_module'", "Traceback"),
        ("def init(): pass", "does not have a run() function", "score.py"),
        ("def init(: pass", "SyntaxError", "score.py"),
        ("import os\nprint('last words', flush=True)\nos._exit(9)", "exit code 9", "last words"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV", "score.py"),
    ],
    ids=["init", "import", "no-run", "syntax", "exit", "signal"],
)
async def test_a_script_that_cannot_start_is_resource_not_ready_with_its_last_lines(
    plane, tmp_path, source, reason, in_tail
):
    with pytest.raises(StartFailed) as failure:
        await plane.start(deployment(tmp_path, source))
    assert failure.value.code == "ResourceNotReady"
    assert failure.value.message.startswith("User container has crashed or terminated: ")
    assert reason in failure.value.message
    assert in_tail in failure.value.log_tail
    assert "UserContainerStart: Waiting" in plane.logs(KEY, None)
    assert (await post(plane)).headers["ms-azureml-model-error-reason"] == "model_not_ready"


async def test_an_init_that_hangs_is_given_up_when_the_readiness_probe_says_so(plane, tmp_path):
    source = "import time\ndef init():\n    time.sleep(600)\ndef run(d): pass"
    readiness = Probe(initial_delay_s=0.3, period_s=0.1, timeout_s=0.1, failure_threshold=3, success_threshold=1)
    async with asyncio.timeout(10):
        with pytest.raises(StartFailed, match=r"Readiness probe failed: no answer within 0\.6 s"):
            await plane.start(deployment(tmp_path, source, readiness=readiness))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scoring_script": "../outside.py"}, "outside of the code folder"),
        ({"scoring_script": None}, "has no scoring script"),
        ({"scoring_script": None, "model_type": "triton_model"}, "cannot run a triton_model"),
    ],
)
async def test_what_cannot_be_run_at_all_is_a_bad_argument_and_leaves_no_files(plane, tmp_path, changes, message):
    with pytest.raises(StartFailed, match=message) as failure:
        await plane.start(deployment(tmp_path, ECHO, **changes))
    assert failure.value.code == "BadArgument"
    assert list((tmp_path / "dataplane").glob("*/*/")) == []


async def test_logs_have_the_recorded_layout_and_tail_counts_lines_of_output(plane, tmp_path):
    await plane.start(deployment(tmp_path, "print('from import')\n" + ECHO))
    status, events, output = plane.logs(KEY, None).split("\n\n", 2)
    assert status.splitlines() == [
        "Instance status:",
        "SystemSetup: Succeeded",
        "UserContainerImagePull: Succeeded",
        "ModelDownload: Succeeded",
        "UserContainerStart: Succeeded",
    ]
    assert events.startswith("Container events:\nKind: Pod, Name: Created, Type: Normal, Time: 20")
    assert events.endswith(", Message: Container is ready")
    assert output.startswith("Container logs:\n")
    assert output.endswith("\n\n\n")
    assert "azmlinfsrv.print - from import" in output
    assert plane.logs(KEY, 1).split("Container logs:\n")[1].count("\n") == 3
    assert plane.logs("never/heard/of", None).endswith("Container logs:\n\n\n")


async def test_a_folder_too_deep_for_a_socket_path_still_works(tmp_path):
    plane = ProcessDataPlane(tmp_path / ("deep" * 30))
    try:
        await plane.start(deployment(tmp_path, "import os\ndef init(): pass\ndef run(data): return os.getpid()"))
        process = psutil.Process(json.loads((await post(plane)).body))
        (path,) = {connection.laddr for connection in process.connections(kind="unix") if connection.laddr}
    finally:
        await plane.close()
    assert not path.startswith(str(tmp_path))
    assert not Path(path).parent.exists()
