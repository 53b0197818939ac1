"""Train the four example models: `python manifests/train.py [CASE ...] [--into FOLDER]`.

The data is synthesised here or ships with scikit-learn, every seed is fixed, and so is what MLflow would take
from the clock: the same code and packages write the same bytes, so the content hash that serves as a model's
version does not move. A model that exists is left alone; remove its folder to train it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import shutil
import sys
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature

# Azure serves an MLflow model from an environment made of the model's own list of packages, under a scoring
# script that imports the last two (learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models).
# Pinned is what this machine has; azureml-ai-monitoring it need not have.
PINNED = ("pandas", "scikit-learn", "azureml-inference-server-http")
UNPINNED = ("azureml-ai-monitoring",)


def heart(folder: Path) -> None:
    """Thirteen measurements of a patient -> 1 when a heart disease is likely, else 0 (MLflow format)."""
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    rng = np.random.default_rng(13)
    rows = 303
    patients = pd.DataFrame(
        {
            "age": rng.integers(29, 78, rows),
            "sex": rng.integers(0, 2, rows),
            "cp": rng.integers(1, 5, rows),
            "trestbps": rng.normal(131, 17, rows).round().astype("int64"),
            "chol": rng.normal(246, 51, rows).round().astype("int64"),
            "fbs": (rng.random(rows) < 0.15).astype("int64"),
            "restecg": rng.integers(0, 3, rows),
            "thalach": rng.normal(150, 23, rows).round().astype("int64"),
            "exang": (rng.random(rows) < 0.33).astype("int64"),
            "oldpeak": rng.exponential(1.0, rows).round(1),
            "slope": rng.integers(1, 4, rows),
            "ca": rng.choice([0, 1, 2, 3], rows, p=[0.58, 0.22, 0.13, 0.07]),
            "thal": rng.integers(0, 3, rows),
        }
    )
    risk = (
        0.03 * (patients["age"] - 54)
        + 0.9 * (patients["cp"] - 3)
        + 1.2 * patients["ca"]
        + 1.0 * patients["exang"]
        + 0.5 * (patients["oldpeak"] - 1)
        + 0.8 * (patients["thal"] - 1)
        - 0.03 * (patients["thalach"] - 150)
    )
    sick = (risk + rng.logistic(0, 0.5, rows) > 0).astype("int64")
    # Written out, since an inferred signature warns about integer columns that may be missing one day.
    inputs = [ColSpec("double" if name == "oldpeak" else "long", name) for name in patients.columns]
    _save_mlflow(folder, _classifier(patients, sick), ModelSignature(Schema(inputs), Schema([ColSpec("long")])))


def churn(folder: Path) -> None:
    """Twelve facts about a bank's customer -> 1.0 when about to leave, else 0.0 (custom model)."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(12)
    rows = 800
    customers = pd.DataFrame(
        {
            "Idade": rng.integers(18, 80, rows),
            "RendaMensal": rng.lognormal(8.5, 0.6, rows).round(),
            "PercentualUtilizacaoLimite": rng.random(rows).round(2),
            "QtdTransacoesNegadas": rng.poisson(2, rows),
            "AnosDeRelacionamentoBanco": rng.integers(0, 30, rows),
            "JaUsouChequeEspecial": rng.integers(0, 2, rows),
            "QtdEmprestimos": rng.poisson(1, rows),
            "NumeroAtendimentos": rng.poisson(30, rows),
            "TMA": rng.normal(280, 80, rows).round(),
            "IndiceSatisfacao": rng.integers(1, 6, rows),
            "Saldo": rng.normal(7000, 3000, rows).round(),
            "CLTV": rng.integers(10, 100, rows),
        }
    )
    discontent = (
        2.0 * (customers["PercentualUtilizacaoLimite"] - 0.5)
        + 0.5 * (customers["QtdTransacoesNegadas"] - 2)
        + 0.08 * (customers["NumeroAtendimentos"] - 30)
        - 0.9 * (customers["IndiceSatisfacao"] - 3)
        - 0.05 * (customers["AnosDeRelacionamentoBanco"] - 15)
    )
    leaves = (discontent + rng.logistic(0, 0.5, rows) > 0).astype("float64")
    _save_pickle(folder, _classifier(customers, leaves))


def diabetes(folder: Path) -> None:
    """Ten scaled measurements of a patient -> how far the disease has come a year later (MLflow format)."""
    from mlflow.models import infer_signature
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    patients, progression = load_diabetes(return_X_y=True, as_frame=True)
    model = Ridge(alpha=0.5).fit(patients, progression)
    _save_mlflow(folder, model, infer_signature(patients, model.predict(patients)))


def wine(folder: Path) -> None:
    """Eleven laboratory values of a red wine -> a taster's verdict, 0 to 10 (custom model)."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import ElasticNet
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(11)
    rows = 600
    wines = pd.DataFrame(
        {
            "fixed acidity": rng.normal(8.3, 1.7, rows),
            "volatile acidity": rng.normal(0.53, 0.18, rows),
            "citric acid": rng.normal(0.27, 0.19, rows),
            "residual sugar": rng.lognormal(0.85, 0.35, rows),
            "chlorides": rng.lognormal(-2.5, 0.3, rows),
            "free sulfur dioxide": rng.lognormal(2.6, 0.6, rows),
            "total sulfur dioxide": rng.lognormal(3.6, 0.6, rows),
            "density": rng.normal(0.9967, 0.0019, rows),
            "pH": rng.normal(3.31, 0.15, rows),
            "sulphates": rng.normal(0.66, 0.17, rows),
            "alcohol": rng.normal(10.4, 1.1, rows),
        }
    )
    quality = (
        5.6
        + 0.3 * (wines["alcohol"] - 10.4)
        - 1.1 * (wines["volatile acidity"] - 0.53)
        + 0.9 * (wines["sulphates"] - 0.66)
        - 0.003 * (wines["total sulfur dioxide"] - 46)
        + rng.normal(0, 0.6, rows)
    ).clip(0, 10)
    model = make_pipeline(StandardScaler(), ElasticNet(alpha=0.02, l1_ratio=0.5, random_state=0))
    _save_pickle(folder, model.fit(wines, quality))


CASES: dict[str, Callable[[Path], None]] = {
    "heart": heart,
    "churn": churn,
    "diabetes": diabetes,
    "wine": wine,
}


def _classifier(features: pd.DataFrame, answers: pd.Series[Any] | np.ndarray[Any, Any]) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(features, answers)


def _save_mlflow(folder: Path, model: Any, signature: ModelSignature) -> None:
    import mlflow.sklearn
    from mlflow.models import Model

    # Two warnings without a cause here: that a stranger's pickle is dangerous (this one is made right here),
    # and that azureml-ai-monitoring is missing (it serves in Azure's container, not on this machine).
    for logger in ("mlflow.sklearn", "mlflow.utils.requirements_utils"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_PICKLE,
        signature=signature,
        pip_requirements=[*(f"{name}=={version(name)}" for name in PINNED), *UNPINNED],
    )
    _write_pickle(folder / "model.pkl", model)
    described = Model.load(str(folder))
    described.model_uuid = uuid.uuid5(uuid.NAMESPACE_URL, folder.name).hex
    described.utc_time_created = "2026-01-01 00:00:00.000000"
    described.model_size_bytes = (folder / "model.pkl").stat().st_size
    described.save(str(folder / "MLmodel"))


def _save_pickle(folder: Path, model: Any) -> None:
    folder.mkdir()
    _write_pickle(folder / "model.pkl", model)


def _write_pickle(path: Path, model: Any) -> None:
    with path.open("wb") as file:
        pickler = pickle.Pickler(file)
        # No memo: it shortens equal strings that are one object, and whether they are differs by process
        # (the "C" of LogisticRegression and of numpy, for one), which would change bytes but not the model.
        pickler.fast = True
        pickler.dump(model)


def train(case: str, into: Path) -> bool:
    """Train one case into `into`/`case` unless that exists; say whether anything was written.

    A model appears whole or not at all: it is written beside its place and moved there.
    """
    if (into / case).exists():
        return False
    unfinished = into / f".{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        CASES[case](unfinished / case)
        (unfinished / case).rename(into / case)
    finally:
        shutil.rmtree(unfinished)
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the example models that are not there yet.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "models", metavar="FOLDER")
    options = parser.parse_args(arguments)
    for case in options.cases:
        if case not in CASES:
            parser.error(f"no case {case!r}; there are {', '.join(CASES)}")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no reason to leave this machine
    for case in options.cases or CASES:
        began = time.perf_counter()
        if train(case, options.into):
            print(f"{case}: trained in {time.perf_counter() - began:.1f} s -> {options.into / case}")
        else:
            print(f"{case}: already there -> {options.into / case}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
