"""The worked example keeps its word: trained here and now, each model answers what its manifest expects."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.compose.overlays import compose
from reconciler.load.manifests import load_environment
from reconciler.load.project_file import load_project
from reconciler.load.survey import survey
from reconciler.manifest import Context
from reconciler.validate import validate

MANIFESTS = Path(__file__).parents[2] / "manifests"
CASES = ("churn", "diabetes", "heart", "wine")
MLFLOW_CASES = ("diabetes", "heart")
CUSTOM_CASES = ("churn", "wine")

pytestmark = [
    # Said while mlflow 3 imports itself, about its own classes for agents.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four models, trained as a user trains them."""
    into = tmp_path_factory.mktemp("trained") / "models"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, str(MANIFESTS / "train.py"), "--into", str(into)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "training says nothing that a newcomer would have to understand"
    return into


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def module(path: Path) -> SimpleNamespace:
    """A fresh instance of the module at `path`: nothing it cached outlives a test, and no bytecode is left
    beside code that is uploaded by its content.
    """
    return SimpleNamespace(**runpy.run_path(str(path), run_name=path.stem))


def scoring(case: str, mount: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The case's score.py, started as the inference server starts it."""
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(mount))
    folder = "mlflow-serving" if case in MLFLOW_CASES else case
    script = module(MANIFESTS / "base" / folder / "src" / "score.py")
    script.init()
    return script


def request(case: str) -> str:
    return (MANIFESTS / "base" / case / sample(case)["request"]).read_text()


def sample(case: str) -> dict[str, Any]:
    endpoint = yaml.safe_load((MANIFESTS / "base" / case / "endpoint.yml").read_text())
    return dict(endpoint["gitops"]["sample"])


def assert_expected(case: str, answer: Any) -> None:
    """The answer, as the caller will see it, is what the manifest expects, and of the same types."""
    seen = json.loads(json.dumps(answer))
    expected = sample(case)["expect"]
    assert seen == pytest.approx(expected, abs=sample(case).get("tolerance", 1e-6), rel=0)
    assert [type(value) for value in seen] == [type(value) for value in expected]


@pytest.mark.parametrize("layout", ["the folder itself", "the folder below"])
@pytest.mark.parametrize("case", CASES)
def test_score_py_answers_the_sample_as_expected(
    case: str, layout: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path if layout == "the folder itself" else tmp_path / "model"
    shutil.copytree(models / case, mount, dirs_exist_ok=True)
    assert_expected(case, scoring(case, tmp_path, monkeypatch).run(request(case)))


@pytest.mark.parametrize("case", MLFLOW_CASES)
def test_mlflow_alone_answers_the_sample_as_expected(case: str, models: Path) -> None:
    """What Azure's own scoring script does when a deployment names no script."""
    import mlflow.pyfunc
    import pandas as pd

    split = json.loads(request(case))["input_data"]
    rows = pd.DataFrame(split["data"], columns=split["columns"])
    assert_expected(case, mlflow.pyfunc.load_model(str(models / case)).predict(rows).tolist())


def test_the_heart_model_can_say_yes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[0, 0] from a model that knows no other answer would prove nothing."""
    body = json.loads(request("heart"))
    body["input_data"]["data"] = [[67, 1, 4, 160, 286, 0, 2, 108, 1, 1.5, 2, 3, 2]]
    assert scoring("heart", models / "heart", monkeypatch).run(json.dumps(body)) == [1]


def test_the_churn_model_can_say_no(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.loads(request("churn"))
    content = {"QtdTransacoesNegadas": 0, "NumeroAtendimentos": 5, "IndiceSatisfacao": 5}
    body["data"].append(body["data"][0] | content)
    assert scoring("churn", models / "churn", monkeypatch).run(json.dumps(body)) == [1.0, 0.0]


def test_columns_of_a_customer_may_come_in_any_order(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.loads(request("churn"))
    body["data"] = [dict(reversed(customer.items())) for customer in body["data"]]
    assert_expected("churn", scoring("churn", models / "churn", monkeypatch).run(json.dumps(body)))


@pytest.mark.parametrize(
    ("case", "body"),
    [
        ("churn", {"data": [{"Idade": 30}]}),
        ("churn", {"rows": []}),
        ("churn", {"data": [dict.fromkeys(["Idade", "Outro"], 1)]}),
        ("wine", {"data": [[1.0] * 10]}),
        ("wine", {"data": [["dry"] + [1.0] * 10]}),
        ("heart", {"input_data": {"columns": ["age"], "data": [[63]]}}),
        ("diabetes", {"dataframe_split": {"columns": ["age"], "data": [[0.1]]}}),
    ],
)
def test_a_bad_request_raises_instead_of_answering_its_error(
    case: str, body: dict[str, Any], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A returned error text would reach the caller with status 200."""
    script = scoring(case, models / case, monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever library notices first
        script.run(json.dumps(body))


@pytest.mark.parametrize("case", CASES)
def test_without_a_model_the_container_never_becomes_ready(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="not enough values to unpack"):
        scoring(case, tmp_path, monkeypatch)


def test_training_again_writes_the_same_bytes(models: Path, tmp_path: Path) -> None:
    assert module(MANIFESTS / "train.py").main(["--into", str(tmp_path)]) == 0
    first, second = contents(models), contents(tmp_path)
    assert sorted(second) == sorted(first)
    assert [path for path in first if first[path] != second[path]] == []
    assert {path.split("/")[0] for path in first} == set(CASES)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_model_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wine").mkdir()
    train = module(MANIFESTS / "train.py")
    assert train.main(["wine", "churn", "--into", str(tmp_path)]) == 0
    assert sorted(contents(tmp_path)) == ["churn/model.pkl"]
    assert capsys.readouterr().out.startswith("wine: already there")


def test_training_that_fails_leaves_nothing_that_looks_like_a_model(tmp_path: Path) -> None:
    train = module(MANIFESTS / "train.py")

    def half(folder: Path) -> None:
        folder.mkdir()
        raise KeyboardInterrupt

    train.CASES["wine"] = half
    with pytest.raises(KeyboardInterrupt):
        train.main(["wine", "--into", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_case_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        module(MANIFESTS / "train.py").main(["whine"])
    assert "there are heart, churn, diabetes, wine" in capsys.readouterr().err


@pytest.mark.parametrize("case", MLFLOW_CASES)
def test_an_mlflow_model_names_what_serves_it(case: str, models: Path) -> None:
    """Azure builds the container from this list; without the last two it stops before its first request."""
    conda = yaml.safe_load((models / case / "conda.yaml").read_text())
    packages = {package.split("==")[0] for package in conda["dependencies"][-1]["pip"]}
    assert {"scikit-learn", "pandas", "azureml-inference-server-http", "azureml-ai-monitoring"} <= packages


@pytest.mark.parametrize("case", CUSTOM_CASES)
def test_a_custom_model_is_served_by_the_packages_that_trained_it(case: str) -> None:
    """A pickle is only good for the versions that wrote it: the ones installed here, where train.py runs."""
    conda = yaml.safe_load((MANIFESTS / "base" / case / "conda.yml").read_text())
    pins = dict(package.split("==") for package in conda["dependencies"][-1]["pip"])
    assert pins == {package: version(package) for package in pins}
    assert {"azureml-inference-server-http", "joblib", "pandas", "scikit-learn"} == set(pins)


@pytest.mark.parametrize("environment", ["local", "dev", "test", "prod"])
def test_the_example_is_valid_in_every_environment(environment: str, models: Path, tmp_path: Path) -> None:
    """Only local needs the trained models: the others name what lies in their workspaces."""
    root = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, root, ignore=shutil.ignore_patterns("models"))
    if environment == "local":
        shutil.copytree(models, root / "models")
    project, wrong = load_project(root)
    assert wrong == ()
    assert project is not None
    assert set(project.environments) == {"local", "dev", "test", "prod"}
    loaded = load_environment(root, project, environment)
    documents, misfits = compose(loaded.base, loaded.overlays, defaults=loaded.defaults, variables=loaded.variables)
    declared = project.environments[environment]
    context = Context(environment, declared.network, declared.container_registry)
    validated = validate(documents, context, survey(documents, root, digests=False))
    assert (*loaded.findings, *misfits, *validated.findings) == ()
    kinds = [manifest.kind for manifest in validated.manifests]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "deployment": 4,
        "endpoint": 4,
        "environment": 2,
        "model": 4,
    }


@pytest.mark.parametrize(
    "file",
    [
        "gitops.yaml",
        *sorted(
            path.relative_to(MANIFESTS).as_posix()
            for folder in ("base", "overlays")
            for path in (MANIFESTS / folder).rglob("*.yml")
            if path.name != "conda.yml"
        ),
    ],
)
def test_an_editor_finds_nothing_wrong(file: str) -> None:
    """The first line of each file leads an editor to a schema, and every document of the file fits it."""
    path = MANIFESTS / file
    first = path.read_text().splitlines()[0]
    schema = json.loads((path.parent / first.removeprefix("# yaml-language-server: $schema=")).read_text())
    for document in yaml.safe_load_all(path.read_text()):
        assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []
