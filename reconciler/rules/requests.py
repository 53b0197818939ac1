"""wrong-type of sample requests: the body a person wrote is one that the model's server understands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reconciler.rules.resolve import environment_of, model_of, model_type, only_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Scope, Subject

AT = ("gitops", "sample", "request")
_MLFLOW_SERVER_KEYS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def check(subject: Subject, scope: Scope) -> Iterator[Finding]:
    """Require the sample request to be JSON, and to have ``input_data`` for a model that Azure serves itself.

    MLflow's own server takes other keys; Azure's does not
    (learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models, differences to the MLflow built-in server).
    """
    text = only_text(scope.local(subject, *AT))
    if text is None:
        return
    try:
        request = json.loads(text)
    except ValueError as error:
        yield subject.finding(
            "wrong-type", AT, "the sample request is not JSON", found=_reason(error), required="a JSON file"
        )
        return
    if not any(_served_by_azure(deployment, scope) for deployment in _deployments(subject, scope)):
        return
    if isinstance(request, dict) and "input_data" in request:
        return
    foreign = next((key for key in _MLFLOW_SERVER_KEYS if isinstance(request, dict) and key in request), None)
    yield subject.finding(
        "wrong-type",
        AT,
        "Azure serves an MLflow model with another request format than MLflow's own server",
        found=foreign or "no input_data",
        required="input_data",
        hint='{"input_data": {"columns": [...], "index": [...], "data": [[...]]}}',
    )


def _deployments(subject: Subject, scope: Scope) -> tuple[Subject, ...]:
    if subject.kind == "deployment":
        return (subject,)
    name = subject.get("name")
    return scope.deployments.get(name.lower(), ()) if subject.kind == "endpoint" and isinstance(name, str) else ()


def _served_by_azure(deployment: Subject, scope: Scope) -> bool:
    """Whether Azure's generated script answers: an MLflow model, no script, no image with routes of its own."""
    model = model_of(deployment, scope)
    if model is None or model_type(model, scope) != "mlflow_model" or deployment.get("code_configuration") is not None:
        return False
    environment = environment_of(deployment, scope)
    return environment is None or environment.get("inference_config") is None


def _reason(error: ValueError) -> str:
    return f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "no JSON"
