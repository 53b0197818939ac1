"""Model versions. https://learn.microsoft.com/rest/api/azureml/model-versions"""

from __future__ import annotations

from typing import Any

from reconciler.kinds.forms import CASELESS, MAP, STORAGE_URI, Form
from reconciler.kinds.kind import Field, Kind

_NEW_VERSION = "Give the changed model a new `version`, or leave `version` out: then its content hash is the version."

_OTHER_TYPE = "These bytes are registered as another type already: give the model another name or a `version`."


def _flavors(value: dict[str, Any]) -> dict[str, Any]:
    return {name: {"data": dict(data)} for name, data in value.items()}


def _comparable_flavors(value: Any) -> Any:
    return _flavors(_written_flavors(value)) if isinstance(value, dict) else value


def _written_flavors(value: Any) -> Any:
    """The data of each flavor; null, as everywhere, is nothing."""
    if not isinstance(value, dict):
        return value
    return {
        name: {key: item for key, item in ((flavor or {}).get("data") or {}).items() if item is not None}
        for name, flavor in value.items()
    }


KIND = Kind(
    name="model",
    doc="https://learn.microsoft.com/azure/machine-learning/reference-yaml-model",
    fields=(
        Field("type", "properties.modelType", CASELESS, default="custom_model", immutable=_OTHER_TYPE),
        Field(
            "path",
            "properties.modelUri",
            STORAGE_URI,
            immutable=_NEW_VERSION,
            source="azure-ai-ml 1.35.2: 'Asset paths cannot be updated.'",
        ),
        Field("description", "properties.description", default=None),
        Field("stage", "properties.stage", filled=("Development",)),
        Field(
            "flavors",
            "properties.flavors",
            Form(_flavors, _comparable_flavors, _written_flavors),
            structure=True,
            source="Azure reads them from MLmodel unless they are named",
        ),
        Field(
            "properties",
            "properties.properties",
            MAP,
            default={},
            additive=True,
            immutable=_NEW_VERSION,
            server_keys=frozenset({"azureml.labels"}),
        ),
        Field("tags", "properties.tags", MAP, default={}),
    ),
    tags_at="properties.tags",
    server_owned=(
        "id",
        "name",
        "type",
        "systemData",
        "properties.provisioningState",
        "properties.jobName",
        "properties.isAnonymous",
        "properties.autoDeleteSetting",
        "properties.intellectualProperty",
    ),
)
