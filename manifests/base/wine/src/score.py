"""Answer how good red wines are: {"data": [[11 numbers], ...]} -> [quality, ...]."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import pandas as pd


def init() -> None:
    """Load the model before the first request: a container without a working one never becomes ready."""
    _model()


def run(raw_data: str) -> list[float]:
    """Answer one quality per wine; its numbers come in the order of the training data, all eleven."""
    wines = pd.DataFrame(json.loads(raw_data)["data"], columns=_model().feature_names_in_, dtype="float64")
    return _model().predict(wines).tolist()


@cache
def _model() -> Any:
    # Azure mounts what was registered somewhere below this folder; how deep depends on how it was registered.
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")
    return joblib.load(path)
