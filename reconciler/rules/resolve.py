"""Following a deployment to its model and environment: inline, declared beside it, or only registered in Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.rules.packages import MlModel, Packages, mlmodel_in, packages_in, requirements_in
from reconciler.rules.reference import asset_ref
from reconciler.rules.scope import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.domain import LocalPath
    from reconciler.rules.scope import Scope, Subject


def model_of(deployment: Subject, scope: Scope) -> Part | None:
    """Model of a deployment; None when it has none, or one whose manifest is not at hand."""
    return _part(deployment, "model", scope.models)


def environment_of(deployment: Subject, scope: Scope) -> Part | None:
    """Environment of a deployment; None when it has none, or one whose manifest is not at hand."""
    return _part(deployment, "environment", scope.environments)


def model_folder(model: Part, scope: Scope) -> LocalPath | None:
    """What the checkout holds of a model; None when it lives elsewhere."""
    return scope.local(model.subject, *model.at, "path")


def mlmodel_of(model: Part, scope: Scope) -> MlModel | None:
    """Facts of the MLmodel file at the top of a model's folder."""
    folder = model_folder(model, scope)
    text = folder.texts.get("MLmodel") if folder else None
    return mlmodel_in(text) if text is not None else None


def model_type(model: Part, scope: Scope) -> str:
    """``mlflow_model``, ``triton_model`` or ``custom_model``; an MLmodel file speaks for a model that does not say.

    Azure itself does not look into the folder: without ``type`` a model is a custom one (azure-ai-ml 1.35.2).
    """
    value = model.get("type")
    if isinstance(value, str):
        return value.lower()
    return "mlflow_model" if mlmodel_of(model, scope) is not None else "custom_model"


def conda_packages(environment: Part, scope: Scope) -> Packages | None:
    """Packages of an environment's conda file, inline or in the checkout; None when they cannot be known."""
    conda = environment.get("conda_file")
    if isinstance(conda, dict):
        return packages_in(conda)
    local = scope.local(environment.subject, *environment.at, "conda_file")
    return packages_in(local.data) if local is not None and isinstance(local.data, dict) else None


def model_packages(model: Part, scope: Scope) -> Packages | None:
    """Packages that an MLflow model records for itself: its conda file and its requirements together."""
    folder = model_folder(model, scope)
    if folder is None or not folder.texts:
        return None
    found = [packages_in(text) for path, text in folder.texts.items() if path in ("conda.yaml", "conda.yml")]
    found += [requirements_in(text) for path, text in folder.texts.items() if path == "requirements.txt"]
    versions: dict[str, str | None] = {}
    for packages in found:
        versions |= {name: version or versions.get(name) for name, version in packages.versions.items()}
    return Packages(versions, all(packages.complete for packages in found)) if found else None


def only_text(local: LocalPath | None) -> str | None:
    """Text of a path that is one file."""
    if local is None or local.kind != "file":
        return None
    return next(iter(local.texts.values()), None)


def _part(deployment: Subject, field: str, declared: Mapping[str, tuple[Subject, ...]]) -> Part | None:
    value = deployment.get(field)
    if isinstance(value, dict):
        return Part(deployment, (field,))
    ref = asset_ref(value) if isinstance(value, str) else None
    if ref is None or not ref.here:
        return None
    candidates = [
        subject
        for subject in declared.get(ref.name, ())
        if ref.version is None or subject.get("version") is None or str(subject.get("version")) == ref.version
    ]
    return Part(candidates[0], ()) if len(candidates) == 1 else None
