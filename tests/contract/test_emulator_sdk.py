"""Clients that we did not write, unmodified, against the emulator: azure-ai-ml and the generated management client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.server import running
from aml_emulator.settings import Durations, Settings

HERE = Path(__file__).parent
QUICK = Durations(endpoint_s=0.05, update_s=0.05, delete_s=0.05)


async def run_client(script: str, folder: Path) -> dict[str, object]:
    """Run a script behind the emulator's proxy, in a process whose only knowledge is what any client has."""
    settings = Settings(folder=folder, durations=QUICK, retry_after_ms=20)
    async with running(folder / "state", lambda _: InstantDataPlane(), settings) as (_, connection):
        known = folder / "known.json"
        known.write_text(json.dumps(asdict(connection)))
        environment = os.environ | {"HTTPS_PROXY": connection.proxy, "REQUESTS_CA_BUNDLE": connection.ca}
        environment |= {"NO_PROXY": "", "HOME": str(folder), "COLUMNS": "80"}
        result = folder / "result.json"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / script), str(folder), str(known), str(result)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(60):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, output.decode("utf-8", "replace")[-4000:]
    return json.loads(result.read_text())


def write_project(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "model.pkl").write_bytes(b"weights" * 1000)
    (folder / "model" / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    env: {conda: conda.yaml}\n"
        "  sklearn:\n    sklearn_version: 1.7.0\n"
    )
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text("def init(): ...\ndef run(data): return data\n")
    (folder / "conda.yml").write_text("name: serving\ndependencies:\n- python=3.11\n")


@pytest.mark.slow
async def test_emulator_carries_azure_ai_ml_through_the_life_of_an_endpoint(tmp_path):
    write_project(tmp_path)
    seen = await run_client("emulator_sdk_flow.py", tmp_path)
    answer = {"deployment": "blue", "path": "/score", "asked": '{"data": [1, 2]}'}
    assert seen["workspace"] == ["Disabled", "AllowOnlyApprovedOutbound"]
    assert seen["endpoint"] == ["Succeeded", "Disabled", {"team": "risk"}]
    assert seen["model"][:3] == ["churn", "1", ["python_function", "sklearn"]]
    assert seen["model again"] is True
    assert seen["environment"] == ["serving", "3"]
    assert seen["deployment"] == ["Succeeded", "Enabled"]
    assert seen["traffic"] == {"blue": 100}
    assert seen["keys"] == [32, True]
    assert json.loads(seen["answer"]) == answer
    assert json.loads(seen["pinned"]) == answer
    assert "Users's init has completed successfully" in seen["logs"]
    assert seen["rotated"] == [True, True]
    assert seen["updated"] == ["hi", True]
    assert seen["failed"] == ["ResourceNotReady", "Failed"]
    assert seen["weighted delete"] == 400
    assert seen["gone"] == 404


@pytest.mark.slow
async def test_emulator_carries_the_generated_management_client_through_reads_and_operations(tmp_path):
    seen = await run_client("emulator_mgmt_flow.py", tmp_path)
    logs = seen.pop("logs")
    assert "Users's init has completed successfully" in logs
    assert seen == {
        "workspace": ["Disabled", False],
        "datastore": "AccountKey",
        "endpoint": ["Succeeded", "Disabled"],
        "deployment": ["Succeeded", "0:00:10"],
        "skus": ["Default"],
        "scaled": [3, {"scaled": "yes"}],
        "rotated": [True, True],
        "tags": {"owner": "git"},
        "listed": [["heart"], ["blue"]],
        "gone": [404, "NotFound"],
    }
