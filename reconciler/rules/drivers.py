"""mlflow-needs-egress, missing-driver: is there a program that answers requests, and can it be put together offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.rules.resolve import environment_of, mlmodel_of, model_of, model_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Part, Scope, Subject


def egress(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Refuse an MLflow model without an environment when egress is isolated the older way.

    Azure then installs the model's packages when the container starts, from Microsoft's registry and public package
    feeds (learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints, BadArgument: MLflow with
    private network). A model that is only registered in Azure counts too: without code it must be MLflow.
    """
    if scope.context.network != "legacy_egress" or deployment.get("environment") is not None:
        return
    model = model_of(deployment, scope)
    if deployment.get("model") is None:
        return
    if deployment.get("code_configuration") is not None and (model is None or not _is_mlflow(model, scope)):
        return
    if model is not None and not _is_mlflow(model, scope):
        return
    yield deployment.finding(
        "mlflow-needs-egress",
        ("model",),
        "an MLflow model without environment installs its packages from the internet when it starts, "
        "which this deployment cannot reach",
        found="no environment",
        required="an environment whose image is in the workspace's own registry",
        hint="environment: {image: <workspace registry>.azurecr.io/<name>@sha256:<digest>, inference_config: {...}}, "
        "or environment and code_configuration; or move the workspace to a managed virtual network",
    )


def driver(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Refuse a deployment with nothing to run: no scoring script, no image with routes of its own, no MLflow model.

    Azure answers MissingDriverProgram (github.com/Azure/azure-cli-extensions/issues/5583).
    """
    model = model_of(deployment, scope)
    if model is None and deployment.get("model") is not None:
        return
    written = deployment.get("environment") is not None
    if deployment.get("code_configuration") is not None:
        if not written and model is not None and model_type(model, scope) == "custom_model":
            yield _finding(
                deployment,
                "code_configuration",
                "a scoring script needs an environment to run in",
                "no environment",
                "environment",
                "environment: {image: ..., conda_file: ...}",
            )
        return
    environment = environment_of(deployment, scope)
    routed = environment is not None and environment.get("inference_config") is not None
    if routed or (written and environment is None):
        return
    yield from _without_code(deployment, model, scope)


def _without_code(deployment: Subject, model: Part | None, scope: Scope) -> Iterator[Finding]:
    kind = model_type(model, scope) if model is not None else "no model"
    if model is not None and kind == "mlflow_model":
        facts = mlmodel_of(model, scope)
        if facts is not None and not facts.pyfunc:
            yield _finding(
                deployment,
                "model",
                "MLmodel has no python_function flavor, so nothing can serve it as it is",
                "no python_function",
                "a model logged with a pyfunc flavor, or code_configuration",
                _SCRIPT,
            )
        elif model.get("type") is None and scope.context.network != "legacy_egress":
            # azure-ai-ml 1.35.2: a model without type is a custom one, whatever is in its folder.
            yield _finding(
                deployment,
                "model",
                "the folder holds an MLflow model, but without `type` Azure takes it for "
                "a custom one and looks for a scoring script",
                "no type",
                "type: mlflow_model",
                "type: mlflow_model",
            )
    elif kind in ("custom_model", "no model"):
        yield _finding(
            deployment,
            "model",
            "nothing here can answer a request",
            f"{kind.replace('_', ' ')}, no scoring script",
            "code_configuration, or an image with inference_config",
            _SCRIPT,
        )


_SCRIPT = "code_configuration: {code: ./src, scoring_script: score.py}"


def _finding(deployment: Subject, field: str, message: str, found: str, required: str, hint: str) -> Finding:
    return deployment.finding("missing-driver", (field,), message, found=found, required=required, hint=hint)


def _is_mlflow(model: Part, scope: Scope) -> bool:
    return model_type(model, scope) == "mlflow_model"
