"""unresolved-reference and mutable-reference of names: what a manifest points at must exist and stay what it is."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from reconciler.domain import Severity
from reconciler.rules.reference import AssetRef, asset_ref
from reconciler.rules.templates import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.domain import Finding, Pointer
    from reconciler.rules.scope import Scope, Subject

RULE = "unresolved-reference"
_PLACEHOLDER = re.compile(
    r"(?:.*[-_/:])?(?:place-?holder|change-?me|replace-?me|fill-?me|todo|tbd|fixme|your-[a-z-]+)(?:[-_/:].*)?|x{3,}|\.{3}|\?+",
    re.IGNORECASE,
)
_NAMING = ("name", "endpoint_name", "model", "environment", "image", "path", "resource_id")
_FREE = ("tags", "properties", "gitops", "environment_variables")
_ELSEWHERE = ("azureml://", "/subscriptions/", "azureml:/subscriptions/")


def endpoint(deployment: Subject, scope: Scope) -> Iterator[Finding]:
    """Require the endpoint of a deployment to be declared; with loose files it may be in one that was not passed."""
    name = deployment.get("endpoint_name")
    if not isinstance(name, str) or not name or _marked(name) or name.lower() in scope.endpoints:
        return
    yield deployment.finding(
        RULE,
        ("endpoint_name",),
        "no manifest declares this endpoint",
        found=name,
        required="the name of a declared endpoint",
        hint=_nearest(name, scope.endpoints) or "declare the endpoint, or correct the name",
        severity=Severity.WARNING if scope.context.loose else Severity.ERROR,
    )


def weights(endpoint: Subject, scope: Scope) -> Iterator[Finding]:
    """Require traffic and mirror traffic to name declared deployments of the endpoint."""
    name = endpoint.get("name")
    if not isinstance(name, str):
        return
    declared = {
        str(deployment.get("name")).lower(): deployment for deployment in scope.deployments.get(name.lower(), ())
    }
    for field in ("traffic", "mirror_traffic"):
        for key in endpoint.mapping(field):
            if str(key).lower() in declared or _marked(str(key)):
                continue
            yield endpoint.finding(
                RULE,
                (field, key),
                f"no manifest declares deployment {key} of endpoint {name}",
                found=str(key),
                required="the name of a declared deployment of this endpoint",
                hint=_nearest(str(key), declared) or "declare the deployment, or remove its weight",
                severity=Severity.WARNING if scope.context.loose else Severity.ERROR,
            )


def assets(subject: Subject, scope: Scope) -> Iterator[Finding]:
    """Require references to models and environments to be pinned, and short names to be declared."""
    if subject.kind == "deployment":
        yield from _asset(subject, ("model",), scope.models, "model")
        yield from _asset(subject, ("environment",), scope.environments, "environment")
    for at in ((), ("model",)) if subject.kind in ("model", "deployment") else ():
        if at or subject.kind == "model":
            yield from _model_source(subject, (*at, "path"))
    for at in ((), ("model",), ("environment",)):
        version = subject.get(*at, "version")
        if isinstance(version, str) and version.lower() == "latest":
            yield _moving(subject, (*at, "version"), "latest", "remove the line: the content hash becomes the version")


def registries(deployment: Subject, _scope: Scope) -> Iterator[Finding]:
    """Warn of a container that is to use an Azure ML registry through MLflow, which MLflow's plugin does not support.

    Source: learn.microsoft.com/azure/machine-learning/how-to-manage-models-mlflow, organisational registries.
    """
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"):
        value = deployment.get("environment_variables", name)
        if isinstance(value, str) and value.startswith("azureml://") and "/registries/" in value:
            yield deployment.finding(
                RULE,
                ("environment_variables", name),
                "MLflow cannot manage models in an Azure ML registry",
                found="the address of a registry",
                required="the MLflow address of a workspace",
                hint="use the workspace's address, and share models to the registry with az ml model share",
                severity=Severity.WARNING,
            )


def placeholders(subject: Subject, _scope: Scope) -> Iterator[Finding]:
    """Refuse names that were only ever meant to be replaced, such as ``placeholder-name``."""
    for pointer, text in subject.strings:
        naming = pointer[-1] in _NAMING and pointer[0] not in _FREE
        if naming and _is_placeholder(text):
            yield subject.finding(
                RULE,
                pointer,
                "this reads like a placeholder that nobody replaced",
                found=text,
                required="a real value",
                hint="write the value, or `${{ var.name }}` with the variable declared in gitops.yaml",
            )


def _asset(
    subject: Subject, pointer: Pointer, declared: Mapping[str, tuple[Subject, ...]], kind: str
) -> Iterator[Finding]:
    text = subject.get(*pointer)
    if not isinstance(text, str) or _marked(text):
        return
    ref = asset_ref(text)
    if ref is None:
        if not text.startswith(_ELSEWHERE):
            yield subject.finding(
                RULE,
                pointer,
                f"this is no reference to a registered {kind}",
                found=text,
                required=f"azureml:<name>:<version>, a registry or ARM id, or the {kind} written inline",
                hint=f"{kind}: azureml:{text}"
                if re.fullmatch(r"[\w.-]+(:[\w.-]+)?", text)
                else f"{kind}: {{path: {text}}}",
            )
        return
    if ref.moving:
        yield _moving(subject, pointer, ref.moving, _pin_hint(ref, declared, kind))
    elif ref.version is None and not ref.here:
        yield _moving(subject, pointer, "no version", "end the reference with /versions/<version>")
    elif ref.version is None:
        yield from _declared_once(subject, pointer, ref.name, declared, kind)


def _declared_once(
    subject: Subject, pointer: Pointer, name: str, declared: Mapping[str, tuple[Subject, ...]], kind: str
) -> Iterator[Finding]:
    count = len(declared.get(name, ()))
    if count == 1:
        return
    if count:
        message, required = f"{count} manifests declare {kind} {name}", "a reference that names the version"
        hint = f"{kind}: azureml:{name}:<version>"
    else:
        message, required = f"no manifest declares {kind} {name}", f"a declared {kind}, or a pinned version"
        hint = _nearest(name, declared) or f"declare the {kind}, or write azureml:{name}:<version> if Azure has it"
    yield subject.finding(RULE, pointer, message, found=f"azureml:{name}", required=required, hint=hint)


def _model_source(subject: Subject, pointer: Pointer) -> Iterator[Finding]:
    text = subject.get(*pointer)
    if not isinstance(text, str) or _marked(text):
        return
    ref = asset_ref(text)
    if ref is None:
        return
    if ref.moving or ref.version is None:
        hint = "path: a local folder, or azureml://datastores/... with that version's files"
        pinned = "end the reference with /versions/<version>"
        yield _moving(subject, pointer, ref.moving or "no version", hint if ref.mlflow else pinned)
    elif ref.mlflow:
        # azure-ai-ml 1.35.2 takes runs:/ but no models:/ in a model's path.
        yield subject.finding(
            RULE,
            pointer,
            "Azure ML cannot read from an MLflow registry by this name",
            found="models:/",
            required="a local folder, azureml://datastores/..., azureml://jobs/... or runs:/...",
            hint="download that version into the project, or into a datastore, and put its path here",
        )


def _moving(subject: Subject, pointer: Pointer, part: str, hint: str) -> Finding:
    return subject.finding(
        "mutable-reference",
        pointer,
        "what this means can change without a commit",
        found=part,
        required="one fixed version",
        hint=hint,
    )


def _pin_hint(ref: AssetRef, declared: Mapping[str, tuple[Subject, ...]], kind: str) -> str:
    if ref.here and len(declared.get(ref.name, ())) == 1:
        return f"{kind}: azureml:{ref.name} (the {kind} declared in this project)"
    return f"{kind}: azureml:{ref.name}:<version>" if ref.here else "end the reference with /versions/<version>"


def _nearest(name: str, known: Iterable[str]) -> str | None:
    near = get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else None


def _marked(text: str) -> bool:
    """Whether another rule has the better word: a template marker, or a placeholder."""
    return bool(MARKER.search(text)) or _is_placeholder(text)


def _is_placeholder(text: str) -> bool:
    return len(text) <= 256 and _PLACEHOLDER.fullmatch(text) is not None
