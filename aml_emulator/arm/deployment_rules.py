"""What an online deployment may be: the body that a PUT asks for, its defaults, and the rules it must pass. Pure.

Defaults and key order as recorded for 2024-04-01. Sources of the rules: learn.microsoft.com/azure/machine-learning
(how-to-deploy-online-endpoints, concept-secure-online-endpoint, how-to-manage-quotas,
how-to-troubleshoot-online-endpoints, reference-yaml-deployment-managed-online) and the named issues. Texts and inner
codes marked "assumed" were never seen from Azure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aml_emulator.arm.endpoint_rules import LEGAL_NAME, properties_kept, user_properties
from aml_emulator.errors import Refused, bad_request, validation_failed
from aml_emulator.wire import strings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aml_emulator.wire import Body

FAILED = "InferencingClientCreateDeploymentFailed"
MOST_DEPLOYMENTS = 20
MOST_INSTANCES = 50
LONGEST_REQUEST_S = 180.0
PROBE = {
    "failureThreshold": 30,
    "successThreshold": 1,
    "timeout": "PT2S",
    "period": "PT10S",
    "initialDelay": "PT10S",
}
REQUEST = {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True, slots=True)
class Situation:
    """A PUT of a deployment, and all that decides about it.

    ``missing`` maps a field to the asset it names that does not exist. ``model`` and ``environment`` are the
    properties of those versions, None when there is none (or it is in a registry).
    """

    name: str
    wanted: Body
    live: Body | None
    endpoint: Body
    workspace: Body
    siblings: int
    missing: Mapping[str, str]
    model: Body | None
    environment: Body | None
    instance_type_ignored: bool = False


def wanted_body(sent: Body) -> Body:
    """What a PUT asks for, in the service's words and order, defaults filled in. Unknown fields are dropped."""
    asked = sent.get("properties") or {}
    sku = sent.get("sku") or {}
    properties: Body = {
        "description": asked.get("description"),
        "properties": user_properties(asked.get("properties")),
        "codeConfiguration": _code(asked.get("codeConfiguration")),
        "environmentId": asked.get("environmentId"),
        "environmentVariables": strings(asked.get("environmentVariables")),
        "scaleSettings": asked.get("scaleSettings") or {"scaleType": "Default"},
        "requestSettings": _over(REQUEST, asked.get("requestSettings")),
        "modelMountPath": asked.get("modelMountPath"),
        "appInsightsEnabled": bool(asked.get("appInsightsEnabled")),
        "livenessProbe": _over(PROBE, asked.get("livenessProbe")),
        "readinessProbe": _over(PROBE, asked.get("readinessProbe")),
    }
    if asked.get("startupProbe"):  # in the specification from 2024-10-01 on; never recorded
        properties["startupProbe"] = _over(PROBE, asked["startupProbe"])
    properties |= {
        "provisioningState": "Creating",
        "instanceType": asked.get("instanceType") or "Standard_F4s_v2",
        "model": asked.get("model"),
        "egressPublicNetworkAccess": str(asked.get("egressPublicNetworkAccess") or "Enabled").capitalize(),
        "dataCollector": asked.get("dataCollector"),
        "endpointComputeType": asked.get("endpointComputeType") or "",
    }
    return {
        "properties": properties,
        "tags": strings(sent.get("tags")),
        "location": sent.get("location"),
        "sku": {"name": sku.get("name") or "Default", "tier": "Standard", "capacity": sku.get("capacity", 1)},
    }


def check(situation: Situation) -> None:
    """Raise Refused for the first rule that is broken."""
    for rule in RULES:
        refused = rule(situation)
        if refused:
            raise refused


def capacity_refused(capacity: object) -> Refused | None:
    """1 to 50 instances; zero is rejected (Azure/mlops-v2 #48)."""
    if isinstance(capacity, int) and not isinstance(capacity, bool) and 1 <= capacity <= MOST_INSTANCES:
        return None
    return validation_failed(FAILED, "Sku", f"Instance count must be from 1 to {MOST_INSTANCES}.")


def seconds(duration: str) -> float:
    """An ISO 8601 duration in seconds. Raises Refused (400)."""
    found = DURATION.fullmatch(str(duration))
    if found is None or not any(found.groups()):
        raise validation_failed(FAILED, "Duration", f"'{duration}' is not an ISO 8601 duration.")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _code(asked: Body | None) -> Body | None:
    return {key: asked.get(key) for key in ("codeId", "scoringScript")} if asked else None


def _over(defaults: Body, asked: Body | None) -> Body:
    given = asked or {}
    return {key: default if given.get(key) is None else given[key] for key, default in defaults.items()}


def _name(s: Situation) -> Refused | None:
    if LEGAL_NAME.fullmatch(s.name):
        return None
    message = (
        "Deployment name must begin with a letter, be 3-32 characters long, contain letters, numbers and '-' only, "
        "and not end with '-'."
    )
    return validation_failed(FAILED, "Name", message)


def _location(s: Situation) -> Refused | None:
    if not s.wanted["location"]:
        message = "The location property is required for this definition."
        return Refused(400, "LocationRequired", message, plain=True)
    return None


def _endpoint_ready(s: Situation) -> Refused | None:
    state = s.endpoint["properties"]["provisioningState"]
    if state == "Succeeded":
        return None
    # Text from Azure/azure-sdk-for-net #36961; status and inner code assumed.
    message = f"Cannot create a deployment in endpoint {s.endpoint['name']} because it is in {state} provisioning state"
    return validation_failed(FAILED, "", message)


def _managed_only(s: Situation) -> Refused | None:
    if s.wanted["properties"]["endpointComputeType"].lower() == "managed":
        return None
    return validation_failed(FAILED, "EndpointComputeType", "The emulator has managed online deployments only.")


def _network_ready(s: Situation) -> Refused | None:
    network = s.workspace["properties"]["managedNetwork"]
    if network["isolationMode"] == "Disabled" or network["status"]["status"] == "Active":
        return None
    message = (  # documented code; text assumed
        "The workspace managed network is not ready. Provision it before the first deployment: "
        f"its status is {network['status']['status']}."
    )
    return bad_request("WorkspaceManagedNetworkNotReady", message)


def _room(s: Situation) -> Refused | None:
    if s.live or s.siblings < MOST_DEPLOYMENTS:
        return None
    message = f"An endpoint can have at most {MOST_DEPLOYMENTS} deployments."  # documented limit; text assumed
    return validation_failed(FAILED, "", message)


def _capacity(s: Situation) -> Refused | None:
    return capacity_refused(s.wanted["sku"]["capacity"])


def _scale(s: Situation) -> Refused | None:
    if s.wanted["properties"]["scaleSettings"].get("scaleType") == "Default":
        return None
    return validation_failed(FAILED, "ScaleSettings", "Managed online deployments support Default scaling only.")


def _durations(s: Situation) -> Refused | None:
    properties = s.wanted["properties"]
    for probe in ("livenessProbe", "readinessProbe"):
        for key in ("timeout", "period", "initialDelay"):
            seconds(properties[probe][key])
    seconds(properties["requestSettings"]["maxQueueWait"])
    if seconds(properties["requestSettings"]["requestTimeout"]) <= LONGEST_REQUEST_S:
        return None
    return validation_failed(FAILED, "RequestSettings", f"RequestTimeout is at most {LONGEST_REQUEST_S:.0f} s.")


def _assets(s: Situation) -> Refused | None:
    for field, reference in s.missing.items():
        return validation_failed(FAILED, field, f"{reference} was not found.")  # assumed
    return None


def _driver(s: Situation) -> Refused | None:
    """Code is needed unless the model brings its own server or the image does (Azure/azure-cli-extensions #5583)."""
    code = s.wanted["properties"]["codeConfiguration"]
    no_code = (s.model or {}).get("modelType") in ("mlflow_model", "triton_model")
    own_server = bool((s.environment or {}).get("inferenceConfig"))
    if (code and code["codeId"] and code["scoringScript"]) or no_code or own_server:
        return None
    return bad_request("MissingDriverProgram", "Could not find driver program in the request.")


def _environment(s: Situation) -> Refused | None:
    mlflow = (s.model or {}).get("modelType") == "mlflow_model"
    if s.wanted["properties"]["environmentId"] or mlflow:
        return None
    return validation_failed(FAILED, "EnvironmentId", "An environment is required.")  # assumed text


def _variables(s: Situation) -> Refused | None:
    """A name or value that no process could be started with."""
    for name, value in s.wanted["properties"]["environmentVariables"].items():
        if not name or "=" in name or "\0" in name + value:
            message = f"The environment variable {name!r} has a name or a value that no process can have."
            return validation_failed(FAILED, "EnvironmentVariables", message)
    return None


def _egress(s: Situation) -> Refused | None:
    wanted = s.wanted["properties"]["egressPublicNetworkAccess"]
    if wanted not in ("Enabled", "Disabled"):
        return validation_failed(FAILED, "EgressPublicNetworkAccess", "Must be Enabled or Disabled.")
    if s.live is None or s.live["properties"]["egressPublicNetworkAccess"] == wanted:
        return None
    message = "EgressPublicNetworkAccess cannot be changed after the deployment was created."  # assumed text
    return validation_failed(FAILED, "EgressPublicNetworkAccess", message)


def _instance_type(s: Situation) -> Refused | None:
    if s.live is None or s.instance_type_ignored:
        return None
    before, after = (str(body["properties"]["instanceType"]) for body in (s.live, s.wanted))
    if before.lower() == after.lower():
        return None
    # Read-and-create in azure-rest-api-specs; whether Azure refuses or ignores it today is not settled.
    return validation_failed(FAILED, "InstanceType", f"InstanceType cannot be changed from {before} to {after}.")


def _properties(s: Situation) -> Refused | None:
    return properties_kept(s.wanted, s.live)


RULES: tuple[Callable[[Situation], Refused | None], ...] = (
    _name,
    _location,
    _endpoint_ready,
    _managed_only,
    _network_ready,
    _room,
    _capacity,
    _scale,
    _durations,
    _egress,
    _instance_type,
    _properties,
    _variables,
    _assets,
    _driver,
    _environment,
)
