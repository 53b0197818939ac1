"""Managed online deployments. https://learn.microsoft.com/rest/api/azureml/online-deployments"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.kinds.forms import (
    AS_IS,
    ASSET_ID,
    CASELESS,
    DURATION_MS,
    DURATION_S,
    LOCATION,
    MAP,
    Form,
    asset_id,
    one_of,
)
from reconciler.kinds.kind import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEW_DEPLOYMENT = (
    "Declare a deployment under a new name beside this one, give it the traffic, then remove this one. "
    "Nothing is interrupted that way."
)

PROBE_DEFAULTS = (
    ("initial_delay", "initialDelay", DURATION_S, "PT10S"),
    ("period", "period", DURATION_S, "PT10S"),
    ("timeout", "timeout", DURATION_S, "PT2S"),
    ("success_threshold", "successThreshold", AS_IS, 1),
    ("failure_threshold", "failureThreshold", AS_IS, 30),
)
"""Documented in reference-yaml-deployment-managed-online, and seen in recorded public SDK test traffic."""


def _probe(manifest: str, arm: str) -> tuple[Field, ...]:
    return tuple(
        Field(f"{manifest}.{key}", f"properties.{arm}.{wire}", form, default=default)
        for key, wire, form, default in PROBE_DEFAULTS
    )


def _code(value: dict[str, Any]) -> dict[str, Any]:
    wire = {"codeId": value["code"]} if value.get("code") else {}
    return wire | {"scoringScript": value["scoring_script"]}


def _written_code(value: Any) -> Any:
    return _named({"code": "codeId", "scoring_script": "scoringScript"}, value)


def _comparable_code(value: Any) -> Any:
    return {**value, "codeId": asset_id(value.get("codeId"))} if isinstance(value, dict) else value


def _named(keys: Mapping[str, str], wire: Any) -> Any:
    """Manifest keys for the wire keys that hold something."""
    return {key: wire[arm] for key, arm in keys.items() if wire.get(arm)} if isinstance(wire, dict) else wire


def _data_collector(value: dict[str, Any]) -> dict[str, Any]:
    """The manifest keeps rate and rolling on the collector; the wire keeps the rate on each collection.

    A collection that names no data asset is sent without one (assumed: Azure makes one; azure-ai-ml registers its own).
    """
    collections = {}
    for name, collection in (value.get("collections") or {}).items():
        enabled = str(collection.get("enabled", "false")).lower() == "true"
        wire: dict[str, Any] = {"dataCollectionMode": "Enabled" if enabled else "Disabled"}
        rate = collection.get("sampling_rate", value.get("sampling_rate", 1.0))
        wire["samplingRate"] = float(rate)
        if collection.get("data") is not None:
            wire["dataId"] = collection["data"]
        if collection.get("client_id") is not None:
            wire["clientId"] = collection["client_id"]
        collections[name] = wire
    result: dict[str, Any] = {
        "collections": collections,
        "rollingRate": value.get("rolling_rate", "hour").capitalize(),
    }
    if headers := (value.get("request_logging") or {}).get("capture_headers"):
        result["requestLogging"] = {"captureHeaders": headers}
    return result


def _written_collector(value: Any) -> Any:
    """One rate for the collector; streams whose rates differ keep their own, which no manifest can say."""
    if not isinstance(value, dict):
        return value
    wire = _comparable_collector(value)
    rates = [collection["samplingRate"] for collection in wire["collections"].values()]
    shared = rates[0] if len(set(rates)) == 1 else None
    written: dict[str, Any] = {
        "collections": {
            name: {
                "enabled": collection["dataCollectionMode"] == "enabled",
                **_named({"data": "dataId", "client_id": "clientId"}, collection),
                **({"sampling_rate": collection["samplingRate"]} if rates and shared is None else {}),
            }
            for name, collection in wire["collections"].items()
        }
    }
    if wire["rollingRate"] != "hour":
        written["rolling_rate"] = wire["rollingRate"]
    if shared not in (None, 1):
        written["sampling_rate"] = shared
    if headers := (wire.get("requestLogging") or {}).get("captureHeaders"):
        written["request_logging"] = {"capture_headers": headers}
    return written


_COLLECTION = {"dataCollectionMode": "disabled", "samplingRate": 1.0}
"""Documented defaults of one collection (azure-rest-api-specs, machinelearning: Collection)."""


def _comparable_collector(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    wire = {key: item for key, item in value.items() if item is not None}
    if not (wire.get("requestLogging") or {}).get("captureHeaders"):
        wire.pop("requestLogging", None)
    return {
        **wire,
        "rollingRate": str(value.get("rollingRate") or "hour").lower(),
        "collections": {
            name: _COLLECTION
            | {
                key: item.lower() if key == "dataCollectionMode" else item
                for key, item in (collection or {}).items()
                if item is not None
            }
            for name, collection in (value.get("collections") or {}).items()
        },
    }


KIND = Kind(
    name="deployment",
    doc="https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online",
    fields=(
        Field("location", "location", LOCATION, immutable=_NEW_DEPLOYMENT, source="follows its endpoint"),
        Field("", "properties.endpointComputeType", CASELESS, default="Managed", immutable=_NEW_DEPLOYMENT),
        Field("description", "properties.description", default=None),
        Field(
            "properties",
            "properties.properties",
            MAP,
            default={},
            additive=True,
            immutable=_NEW_DEPLOYMENT,
            source="azure-rest-api-specs: 'can be added, but not removed or altered'",
            server_keys=frozenset({"AzureAsyncOperationUri", "createdBy", "createdAt", "lastModifiedAt"}),
        ),
        Field("model", "properties.model", ASSET_ID, default=None),
        Field("model_mount_path", "properties.modelMountPath", default=None),
        Field(
            "code_configuration",
            "properties.codeConfiguration",
            Form(_code, _comparable_code, _written_code),
            default=None,
            structure=True,
        ),
        Field("environment", "properties.environmentId", ASSET_ID, default=None),
        Field(
            "environment_variables",
            "properties.environmentVariables",
            MAP,
            default={},
            secret=True,
            server_keys=frozenset({"AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"}),
            source="recorded public SDK test traffic: Azure injects three variables after success",
        ),
        Field("app_insights_enabled", "properties.appInsightsEnabled", default=False),
        Field(
            "instance_type",
            "properties.instanceType",
            CASELESS,
            immutable=_NEW_DEPLOYMENT,
            source="Azure/AML-Kubernetes#247: the change is ignored without a word; maintainers say: a new deployment",
        ),
        Field(
            "instance_count",
            "sku.capacity",
            default=1,
            source="assumed: every public sample says 1, no page the default",
        ),
        Field("", "sku.name", CASELESS, default="Default"),
        Field(
            "scale_settings.type",
            "properties.scaleSettings.scaleType",
            one_of({"default": "Default"}),
            default="Default",
        ),
        Field(
            "request_settings.request_timeout_ms",
            "properties.requestSettings.requestTimeout",
            DURATION_MS,
            default="PT5S",
        ),
        Field(
            "request_settings.max_concurrent_requests_per_instance",
            "properties.requestSettings.maxConcurrentRequestsPerInstance",
            default=1,
        ),
        Field(
            "request_settings.max_queue_wait_ms",
            "properties.requestSettings.maxQueueWait",
            DURATION_MS,
            source="deprecated on managed endpoints; documented default PT0.5S, recorded answer PT0S: left to Azure",
            filled=("PT0S", "PT0.5S"),
        ),
        *_probe("liveness_probe", "livenessProbe"),
        *_probe("readiness_probe", "readinessProbe"),
        Field(
            "data_collector",
            "properties.dataCollector",
            Form(_data_collector, _comparable_collector, _written_collector),
            default=None,
            structure=True,
            source="azure-rest-api-specs: 'we disable mdc when it's null'",
        ),
        Field(
            "egress_public_network_access",
            "properties.egressPublicNetworkAccess",
            one_of({"enabled": "Enabled", "disabled": "Disabled"}),
            immutable=_NEW_DEPLOYMENT,
            source="learn.microsoft.com: concept-secure-online-endpoint, cannot be changed after creation",
        ),
        Field("tags", "tags", MAP, default={}),
    ),
    server_owned=(
        "id",
        "name",
        "type",
        "kind",
        "etag",
        "systemData",
        "identity",
        "sku.tier",
        "properties.provisioningState",
        # Azure answers Enabled where the flag does not apply; it is sent when the manifest says it, never carried.
        "properties.egressPublicNetworkAccess",
    ),
)
"""``scale_settings`` of a managed deployment is ``default`` only; autoscale is Azure Monitor's (azure-ai-ml 1.35.2)."""
