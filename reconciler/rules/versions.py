"""model-environment-mismatch: a model is loaded with other libraries than it was saved with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.domain import Severity
from reconciler.rules.packages import canonical
from reconciler.rules.resolve import conda_packages, environment_of, mlmodel_of, model_of, model_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Part, Scope, Subject

# What a saved model depends on: its interpreter, the pickle's libraries, and the library that loads it.
_WATCHED = (
    "python", "mlflow", "scikit-learn", "xgboost", "lightgbm", "catboost", "pytorch", "tensorflow", "statsmodels",
    "numpy", "scipy", "pandas", "cloudpickle", "joblib",
)  # fmt: skip
_MAJOR_MINOR = re.compile(r"\d+\.\d+")


def check(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Warn when conda file and model pin one library to versions of different major.minor."""
    environment, model = environment_of(deployment, scope), model_of(deployment, scope)
    if environment is None or model is None:
        return
    saved = _saved_with(model, scope)
    packages = conda_packages(environment, scope) if saved else None
    if packages is None:
        return
    for name in _WATCHED:
        here, there = packages.versions.get(canonical(name)), saved.get(canonical(name))
        if here is None or there is None or _short(here) == _short(there):
            continue
        if _short(here) is None or _short(there) is None:
            continue
        yield environment.subject.finding(
            "model-environment-mismatch",
            environment.pointer("conda_file"),
            f"the model was saved with {name} {there}, the environment installs {here}",
            found=f"{name} {here}",
            required=f"{name} {_short(there)}",
            hint=f"pin {name} {there} in the conda file, or save the model again",
            severity=Severity.WARNING,
        )


def _saved_with(model: Part, scope: Scope) -> dict[str, str]:
    """Exact versions a model records; MLmodel is closest to the bytes, so it wins over the files beside it."""
    recorded = model_packages(model, scope)
    versions = {name: version for name, version in recorded.versions.items() if version} if recorded else {}
    facts = mlmodel_of(model, scope)
    return versions | dict(facts.versions) if facts is not None else versions


def _short(version: str) -> str | None:
    match = _MAJOR_MINOR.match(version)
    return match[0] if match else None
