"""Models: a registered path, its type, and the flavors read from its MLmodel file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aml_emulator.arm.paths import WS
from aml_emulator.arm.uploads import locate_model, start_pending_upload
from aml_emulator.arm.versions import AssetKind, common_properties, routes
from aml_emulator.errors import Refused

if TYPE_CHECKING:
    from aml_emulator.call import Call
    from aml_emulator.wire import Body

TYPES = ("custom_model", "mlflow_model", "triton_model")


def compose(call: Call, live: Body | None, wanted: Body) -> Body:
    """The properties of a model version. Its path never changes (the message is what azure-ai-ml looks for)."""
    live = live or {}
    workspace = call.workspace()
    uri = _normal(wanted.get("modelUri") or live.get("modelUri") or "", workspace.body["id"])
    if live and uri != live["modelUri"]:
        raise Refused(400, "UserError", "Asset paths cannot be updated.")
    if not uri:
        raise Refused(400, "UserError", "The modelUri of a model version is required.")
    kind = wanted.get("modelType") or live.get("modelType") or "custom_model"
    if kind not in TYPES:
        raise Refused(400, "UserError", f"The model type {kind} is not one of {', '.join(TYPES)}.")
    if live and kind != live["modelType"]:  # assumed: only description, tags, stage and archive may change
        raise Refused(400, "UserError", "The type of a model version cannot be updated.")
    flavors = wanted.get("flavors") or (_flavors(call, workspace.id, uri) if kind == "mlflow_model" else {})
    return common_properties(wanted) | {
        "isAnonymous": bool(wanted.get("isAnonymous")),
        "flavors": flavors,
        "modelType": kind,
        "modelUri": uri,
        "jobName": wanted.get("jobName"),
        "provisioningState": "Succeeded",
        "stage": wanted.get("stage") or "Development",
    }


def _normal(uri: str, workspace_id: str) -> str:
    """The URI as the service answers it: long form, ``resourceGroups`` in its own casing."""
    if uri.startswith("azureml://datastores/"):
        scope = workspace_id.replace("/providers/Microsoft.MachineLearningServices", "")
        uri = f"azureml:/{scope}/{uri.removeprefix('azureml://')}"
    return re.sub(r"(?i)(^azureml://subscriptions/[^/]+/)resourcegroups/", r"\1resourceGroups/", uri)


def _flavors(call: Call, workspace_id: str, uri: str) -> dict[str, Any]:
    """Flavors of an MLflow model: every value is a string on the wire. Without a readable MLmodel: none."""
    place = locate_model(call.site, workspace_id, uri)
    text = call.site.blobs.text(place[0], f"{place[1]}/MLmodel") if place else None
    if text is None:
        return {}
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused(400, "UserError", f"The MLmodel file cannot be read: {error}") from error
    found = document.get("flavors") if isinstance(document, dict) else None
    return {
        name: {"data": {key: _string(value) for key, value in sorted(data.items()) if value is not None}}
        for name, data in sorted((found or {}).items())
        if isinstance(data, dict)
    }


def _string(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


KIND = AssetKind("model", "models", compose)
ROUTES = (
    *routes(KIND),
    ("POST", f"{WS}/models/{{name}}/versions/{{version}}/startPendingUpload", start_pending_upload),
)
