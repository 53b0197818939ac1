"""Environment versions. https://learn.microsoft.com/rest/api/azureml/environment-versions"""

from __future__ import annotations

import json
from typing import Any

from reconciler.kinds.forms import MAP, Form, one_of
from reconciler.kinds.kind import Field, Kind

_NEW_VERSION = (
    "Give the changed environment a new `version`, or leave `version` out: then its content hash is the version."
)


def _conda(value: Any) -> Any:
    """Azure takes YAML or JSON text and answers JSON text indented by 2 (recorded public SDK test traffic)."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return json.loads(value)
    except ValueError:
        return value


def _context(value: Any) -> Any:
    """A build context is identified by its content hash in the path, whatever host and account hold it."""
    if isinstance(value, str) and "LocalUpload/" in value:
        return value[value.index("LocalUpload/") :].rstrip("/")
    return value


_ROUTES = {
    "liveness_route": "livenessRoute",
    "readiness_route": "readinessRoute",
    "scoring_route": "scoringRoute",
}


def _inference_config(value: dict[str, Any]) -> dict[str, Any]:
    return {wire: value[key] for key, wire in _ROUTES.items() if value.get(key)}


def _comparable_config(value: Any) -> Any:
    return _inference_config(_written_config(value)) if isinstance(value, dict) else value


def _written_config(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _route(value[wire]) for key, wire in _ROUTES.items() if value.get(wire)}


def _route(value: Any) -> Any:
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def _build(value: dict[str, Any]) -> dict[str, Any]:
    return {"contextUri": value["path"], "dockerfilePath": value.get("dockerfile_path", "Dockerfile")}


def _comparable_build(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    dockerfile = value.get("dockerfilePath") or "Dockerfile"  # documented default
    return {**value, "contextUri": _context(value.get("contextUri")), "dockerfilePath": dockerfile}


def _written_build(value: Any) -> Any:
    """The address that Azure keeps the context under: the folder itself cannot be had back."""
    if not isinstance(value, dict):
        return value
    written = {"path": value.get("contextUri")}
    dockerfile = value.get("dockerfilePath") or "Dockerfile"
    return written if dockerfile == "Dockerfile" else {**written, "dockerfile_path": dockerfile}


KIND = Kind(
    name="environment",
    doc="https://learn.microsoft.com/azure/machine-learning/reference-yaml-environment",
    fields=(
        Field("image", "properties.image", default=None, immutable=_NEW_VERSION),
        Field(
            "conda_file",
            "properties.condaFile",
            Form(lambda value: json.dumps(value, indent=2), _conda, _conda),
            default=None,
            immutable=_NEW_VERSION,
        ),
        Field(
            "build",
            "properties.build",
            Form(_build, _comparable_build, _written_build),
            default=None,
            structure=True,
            immutable=_NEW_VERSION,
        ),
        Field(
            "os_type",
            "properties.osType",
            one_of({"linux": "Linux", "windows": "Windows"}),
            default="Linux",
            immutable=_NEW_VERSION,
        ),
        Field(
            "inference_config",
            "properties.inferenceConfig",
            Form(_inference_config, _comparable_config, _written_config),
            default=None,
            structure=True,
            immutable=_NEW_VERSION,
        ),
        Field("description", "properties.description", default=None),
        Field("tags", "properties.tags", MAP, default={}),
    ),
    server_owned=(
        "id",
        "name",
        "type",
        "systemData",
        "properties.environmentType",
        "properties.provisioningState",
        "properties.properties",
        "properties.isAnonymous",
        "properties.autoDeleteSetting",
        "properties.intellectualProperty",
    ),
    tags_at="properties.tags",
)
