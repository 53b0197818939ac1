"""The JSON types that a body must have, as data. What is not named may be anything; null may stand everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aml_emulator.errors import Refused

if TYPE_CHECKING:
    from aml_emulator.wire import Body

Shape = Mapping[str, Any]  # a type, or a Shape for what is nested

WORDS = {dict: "an object", str: "a string", bool: "a boolean", int: "a whole number"}

IDENTITY: Shape = {"type": str, "userAssignedIdentities": dict}
ENDPOINT: Shape = {
    "location": str,
    "tags": dict,
    "identity": IDENTITY,
    "properties": {
        "description": str,
        "authMode": str,
        "publicNetworkAccess": str,
        "properties": dict,
        "traffic": dict,
        "mirrorTraffic": dict,
    },
}
PROBE: Shape = {
    "failureThreshold": int,
    "successThreshold": int,
    "timeout": str,
    "period": str,
    "initialDelay": str,
}
DEPLOYMENT: Shape = {
    "location": str,
    "tags": dict,
    "sku": {"name": str},
    "properties": {
        "description": str,
        "properties": dict,
        "codeConfiguration": {"codeId": str, "scoringScript": str},
        "environmentId": str,
        "environmentVariables": dict,
        "scaleSettings": {"scaleType": str},
        "requestSettings": {"maxQueueWait": str, "requestTimeout": str, "maxConcurrentRequestsPerInstance": int},
        "modelMountPath": str,
        "appInsightsEnabled": bool,
        "livenessProbe": PROBE,
        "readinessProbe": PROBE,
        "startupProbe": PROBE,
        "instanceType": str,
        "model": str,
        "egressPublicNetworkAccess": str,
        "dataCollector": dict,
        "endpointComputeType": str,
    },
}
ASSET: Shape = {
    "properties": {
        "description": str,
        "tags": dict,
        "properties": dict,
        "isArchived": bool,
        "isAnonymous": bool,
        "codeUri": str,
        "modelUri": str,
        "modelType": str,
        "flavors": dict,
        "stage": str,
        "jobName": str,
        "image": str,
        "condaFile": str,
        "build": dict,
        "inferenceConfig": dict,
        "osType": str,
        "autoRebuild": str,
    }
}
WORKSPACE: Shape = {
    "location": str,
    "tags": dict,
    "properties": {
        "publicNetworkAccess": str,
        "v1LegacyMode": bool,
        "managedNetwork": {"isolationMode": str, "status": {"status": str}},
    },
}
REGENERATE: Shape = {"keyType": str, "keyValue": str}
LOGS: Shape = {"containerType": str, "tail": int}
SECRETS: Shape = {"expirableSecret": bool, "expireAfterHours": int}


def conform(document: Body, shape: Shape, path: str = "") -> Body:
    """The document, if every named value in it has its type. Raises Refused (400) that names the first that has not."""
    for name, wanted in shape.items():
        value, place = document.get(name), f"{path}.{name}".lstrip(".")
        if value is None:
            continue
        kind = dict if isinstance(wanted, Mapping) else wanted
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Refused(400, "InvalidRequestContent", f"The value of '{place}' must be {WORDS[kind]}.")
        if isinstance(wanted, Mapping):
            conform(value, wanted, place)
    return document
