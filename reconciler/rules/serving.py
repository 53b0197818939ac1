"""serving-packages: what must be in the container for it to answer, and on which port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.domain import Severity
from reconciler.rules.resolve import conda_packages, environment_of, model_of, model_packages, model_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.domain import Finding
    from reconciler.rules.scope import Part, Scope, Subject

RULE = "serving-packages"
SERVER = "azureml-inference-server-http"
MONITORING = "azureml-ai-monitoring"
_DEPRECATED_SERVER = "azureml-defaults"
# azureml-inference-server-http 1.5.1 listens here and only a command line could say otherwise.
SERVER_PORT = 5001


def check(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Require the inference server beside a scoring script; mention what an MLflow model may lack.

    With a conda file Azure builds a new conda environment and runs the script in it, so a server in the base image
    does not count (learn.microsoft.com/azure/machine-learning/how-to-inference-server-http). An image alone is not
    looked into.
    """
    environment = environment_of(deployment, scope)
    model = model_of(deployment, scope)
    if deployment.get("code_configuration") is not None:
        if environment is not None:
            yield from _script(environment, scope)
    elif deployment.get("environment") is None and model is not None and model_type(model, scope) == "mlflow_model":
        yield from _mlflow(deployment, model, scope)
    if environment is not None:
        yield from _ports(deployment, environment, scope)


def _script(environment: Part, scope: Scope) -> Iterator[Finding]:
    packages = conda_packages(environment, scope)
    if packages is None or not packages.versions or not packages.complete:
        return
    if SERVER in packages or _DEPRECATED_SERVER in packages:
        return
    yield environment.subject.finding(
        RULE,
        environment.pointer("conda_file"),
        "the environment lacks the server that runs the scoring script",
        found=f"no {SERVER}",
        required=SERVER,
        hint=f"add `- {SERVER}` with a version under `pip:` of the conda file",
    )


def _mlflow(deployment: Subject, model: Part, scope: Scope) -> Iterator[Finding]:
    """Warn only: Azure generates the script and adds a server itself.

    Its generated script imports azureml.ai.monitoring; public deployment logs show "No module named 'azureml'" when
    the model's own environment lacks it. That today's service always adds the server is assumed, not verified.
    """
    packages = model_packages(model, scope)
    if packages is None or not packages.versions or not packages.complete:
        return
    missing = [name for name in (SERVER, MONITORING) if name not in packages]
    if missing:
        yield deployment.finding(
            RULE,
            ("model",),
            "the environment recorded in the model lacks what Azure's generated scoring script imports; "
            "Azure adds a server of its own, yet deployments have failed over this",
            found=f"no {' and no '.join(missing)}",
            required=f"{SERVER} and {MONITORING}",
            hint=f"log the model with extra_pip_requirements={missing}",
            severity=Severity.WARNING,
        )


def _ports(deployment: Subject, environment: Part, scope: Scope) -> Iterator[Finding]:
    """Warn of routes that nothing may answer; the image could hold a server of its own, so it is no error."""
    routes = ("liveness_route", "readiness_route", "scoring_route")
    ports = {route: environment.get("inference_config", route, "port") for route in routes}
    known = {route: port for route, port in ports.items() if isinstance(port, int) and not isinstance(port, bool)}
    if not known:
        return
    packages = conda_packages(environment, scope)
    server = deployment.get("code_configuration") is not None or (packages is not None and SERVER in packages)
    wrong = {port for port in known.values() if port != SERVER_PORT} if server else set()
    if wrong:
        message, required = f"the inference server listens on {SERVER_PORT}", str(SERVER_PORT)
    elif len(set(known.values())) > 1:
        message, required = "the routes lead to different ports of one container", "one port for all three routes"
    else:
        return
    yield environment.subject.finding(
        RULE,
        environment.pointer("inference_config"),
        message,
        found=", ".join(f"{route} {port}" for route, port in known.items()),
        required=required,
        hint=f"port: {required if wrong else next(iter(known.values()))}",
        severity=Severity.WARNING,
    )
