"""Answer with an MLflow model: {"input_data": {"columns": [...], "data": [[...], ...]}} -> [prediction, ...].

Only a workspace with legacy_egress needs this. Elsewhere Azure brings a script of its own; there a container
reaches neither Microsoft's registry nor a package index, so script and image come with the deployment.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd


def init() -> None:
    """Load the model before the first request: a container without a working one never becomes ready."""
    _model()


def run(raw_data: str) -> list[Any]:
    """Answer one prediction per row; MLflow checks the columns against the model's signature and raises."""
    split = json.loads(raw_data)["input_data"]
    rows = pd.DataFrame(split["data"], columns=split["columns"], index=split.get("index"))
    return _model().predict(rows).tolist()


@cache
def _model() -> Any:
    # Azure mounts what was registered somewhere below this folder; how deep depends on how it was registered.
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")
    return mlflow.pyfunc.load_model(str(path.parent))
