"""MLflow models without a script of their own answer Azure's ``input_data`` payload, and refuse every other."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aml_emulator.dataplane.interface import DeploymentSpec, Probe, ScoreRequest, ScoreResponse, StartFailed
from aml_emulator.dataplane.plane import ProcessDataPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

KEY = "ws/heart/blue"
PROBE = Probe(initial_delay_s=10, period_s=10, timeout_s=2, failure_threshold=30, success_threshold=1)
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
NO_INPUT_DATA = "A value is not provided for the 'input_data' parameter."

pytestmark = pytest.mark.slow


# In a process of its own, since importing mlflow warns, and warnings are errors here.
TRAIN = """
import sys
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

inputs = pd.DataFrame({"a": [1.0, 2.0, 3.0, 5.0], "b": [3.0, 1.0, 2.0, 2.0]})
model = LinearRegression().fit(inputs, inputs["a"] + 10 * inputs["b"])
signature = infer_signature(inputs, model.predict(inputs))
requirements = ["scikit-learn"]
mlflow.sklearn.save_model(
    model, sys.argv[1], signature=signature, serialization_format="cloudpickle", pip_requirements=requirements
)
"""


@pytest.fixture(scope="module")
def version_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered version: y = a + 10 b, in the folder ``model``, with a signature."""
    folder = tmp_path_factory.mktemp("store") / "1"
    subprocess.run([sys.executable, "-c", TRAIN, str(folder / "model")], check=True, capture_output=True)
    return folder


def deployment(version_folder: Path) -> DeploymentSpec:
    return DeploymentSpec(
        key=KEY,
        deployment="blue",
        code_dir=None,
        scoring_script=None,
        model_dir=version_folder,
        model_name="heart",
        model_version="1",
        model_type="mlflow_model",
        environment_variables={},
        request_timeout_s=10.0,
        max_concurrent_requests=1,
        readiness=PROBE,
        liveness=PROBE,
    )


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ProcessDataPlane]:
    plane = ProcessDataPlane(tmp_path / "dataplane")
    yield plane
    await plane.close()


@pytest.fixture
async def ask(plane: ProcessDataPlane, version_folder: Path) -> Callable[..., Coroutine[None, None, ScoreResponse]]:
    await plane.start(deployment(version_folder))

    async def ask(body: object, content_type: str = "application/json") -> ScoreResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await plane.score(KEY, ScoreRequest("POST", "/score", "", {"Content-Type": content_type}, raw))

    return ask


async def test_the_documented_payloads_are_answered_with_a_list(ask):
    split = {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4.5]]}
    reordered = {"columns": ["b", "a"], "data": [[2, 1], [4.5, 3]]}
    rows = [[1, 2], [3, 4.5]]
    named = {"a": [1, 3], "b": [2, 4.5]}
    for payload in (split, reordered, rows, named):
        answer = await ask({"input_data": payload})
        assert answer.status == 200
        assert json.loads(answer.body) == pytest.approx([21, 48])
        assert answer.headers["x-ms-run-function-failed"] == "False"


async def test_everything_else_is_refused_with_the_servers_words(plane, ask):
    split = {"columns": ["a", "b"], "data": [[1, 2]]}
    refused = [
        ({"dataframe_split": split}, 400, NO_INPUT_DATA),
        ({"inputs": [[1, 2]]}, 400, NO_INPUT_DATA),
        ({}, 400, NO_INPUT_DATA),
        ([[1, 2]], 400, "POST body should be a JSON dictionary."),
        (b"", 400, "POST body is empty. Expecting a JSON dictionary."),
        (b"{", 400, None),
        ({"input_data": {"dataframe_split": split}}, 500, SCRIPT_FAILED),
        ({"input_data": [{"a": 1, "b": 2}]}, 500, SCRIPT_FAILED),
        ({"input_data": {"columns": ["a", "c"], "data": [[1, 2]]}}, 500, SCRIPT_FAILED),
        ({"input_data": {"columns": ["a", "b"], "data": [[1, "two"]]}}, 500, SCRIPT_FAILED),
        ({"input_data": [[1, 2, 3]]}, 500, SCRIPT_FAILED),
        ({"input_data": "a,b"}, 500, SCRIPT_FAILED),
    ]
    for body, status, message in refused:
        answer = await ask(body)
        assert answer.status == status, body
        assert message in (None, json.loads(answer.body)["message"]), body
    log = plane.logs(KEY, None)
    assert "Model is missing inputs ['b']. Note that there were extra inputs: ['c']." in log
    assert "records orientation is not supported" in log
    assert (await ask({"input_data": [[1, 2]]}, content_type="text/csv")).status == 415
    assert (await ask({"input_data": [[1, 2]]})).status == 200


async def test_a_version_without_an_mlmodel_file_does_not_start(plane, tmp_path):
    empty = tmp_path / "store"
    (empty / "model").mkdir(parents=True)
    with pytest.raises(StartFailed, match="FileNotFoundError: No MLmodel file") as failure:
        await plane.start(deployment(empty))
    assert failure.value.code == "ResourceNotReady"
