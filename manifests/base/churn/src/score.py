"""Answer whether customers are about to leave: {"data": [{column: number, ...}, ...]} -> [1.0, 0.0, ...]."""

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
    """Answer one number per customer; a request that does not fit raises, so that its status is not 200."""
    customers = pd.DataFrame.from_records(json.loads(raw_data)["data"])
    wanted = list(_model().feature_names_in_)
    if set(customers.columns) != set(wanted):
        missing = sorted(set(wanted) - set(customers.columns))
        unknown = sorted(set(customers.columns) - set(wanted))
        raise ValueError(f"a customer needs the columns {wanted}: missing {missing}, unknown {unknown}")
    return _model().predict(customers[wanted]).tolist()


@cache
def _model() -> Any:
    # Azure mounts what was registered somewhere below this folder; how deep depends on how it was registered.
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")
    return joblib.load(path)
