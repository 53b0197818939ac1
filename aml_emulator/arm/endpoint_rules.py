"""What an online endpoint may be: the body that a PUT asks for, and the rules it must pass. Pure.

Sources: learn.microsoft.com/azure/machine-learning (reference-yaml-endpoint-online, concept-secure-online-endpoint,
how-to-safely-rollout-online-endpoints, how-to-access-resources-from-endpoints-managed-identities,
how-to-manage-quotas) and the named issues. Texts and inner codes marked "assumed" were never seen from Azure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aml_emulator.errors import Refused, validation_failed
from aml_emulator.wire import strings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aml_emulator.wire import Body

CLIENT_FAILED = "InferencingClientCallFailed"
LEGAL_NAME = re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]{1,30})[a-zA-Z0-9]")
AUTH_MODES = {mode.lower(): mode for mode in ("Key", "AMLToken", "AADToken")}
SERVER_PROPERTIES = ("AzureAsyncOperationUri", "azureml.onlineendpointid")


@dataclass(frozen=True, slots=True)
class Situation:
    """A PUT of an endpoint, and all that decides about it.

    ``live`` is the present body, None for a new endpoint; ``deployments`` are the names below it in lower case;
    ``elsewhere`` says that another workspace of the region has an endpoint of this name.
    """

    name: str
    wanted: Body
    live: Body | None
    deployments: frozenset[str]
    elsewhere: bool


def wanted_body(sent: Body) -> Body:
    """What a PUT asks for, in the service's words: what is left out is its default, not what was there before.

    Publicly reported as an outage: a PUT without traffic clears it (microsoft/genaiops-promptflow-template #182).
    A PUT without publicNetworkAccess makes the endpoint public (assumed).
    """
    properties = sent.get("properties") or {}
    auth_mode = str(properties.get("authMode") or "")
    return {
        "properties": {
            "description": properties.get("description"),
            "properties": user_properties(properties.get("properties")),
            "authMode": AUTH_MODES.get(auth_mode.lower(), auth_mode),
            "compute": properties.get("compute"),
            "publicNetworkAccess": str(properties.get("publicNetworkAccess") or "Enabled").capitalize(),
            "traffic": properties.get("traffic") or {},
            "mirrorTraffic": properties.get("mirrorTraffic") or {},
        },
        "tags": strings(sent.get("tags")),
        "location": sent.get("location"),
        "identity": sent.get("identity") or {},
    }


def check(situation: Situation) -> None:
    """Raise Refused for the first rule that is broken."""
    for rule in RULES:
        refused = rule(situation)
        if refused:
            raise refused


def positive(weights: Mapping[str, Any]) -> dict[str, int]:
    """The weights above zero, names in lower case."""
    return {name.lower(): weight for name, weight in weights.items() if weight}


def user_properties(properties: Mapping[str, Any] | None) -> dict[str, Any]:
    """The property bag without what the server adds to it and clients send back."""
    return {key: value for key, value in strings(properties).items() if key not in SERVER_PROPERTIES}


def properties_kept(wanted: Body, live: Body | None) -> Refused | None:
    """Properties can be added, but not removed or altered (azure-rest-api-specs)."""
    before = user_properties(live["properties"]["properties"]) if live else {}
    after = wanted["properties"]["properties"]
    lost = sorted(key for key, value in before.items() if after.get(key) != value)
    if lost:
        message = f"Properties can be added, but not removed or altered: {', '.join(lost)}."  # assumed text
        return validation_failed(CLIENT_FAILED, "Properties", message)
    return None


def same_identity(one: Body, other: Body) -> bool:
    """Whether two identities are the same: type, and the set of user-assigned ones. Case does not matter."""

    def canonical(identity: Body) -> tuple[str, frozenset[str]]:
        assigned = identity.get("userAssignedIdentities") or {}
        return str(identity.get("type")).lower().replace(" ", ""), frozenset(key.lower() for key in assigned)

    return canonical(one) == canonical(other)


def identity_refused() -> Refused:
    """Documented: the identity of an endpoint is immutable. Text assumed."""
    return validation_failed(CLIENT_FAILED, "Identity", "The identity for an endpoint is immutable.")


def _name(s: Situation) -> Refused | None:
    if LEGAL_NAME.fullmatch(s.name):
        return None
    message = (
        "Endpoint name must begin with a letter, be 3-32 characters long, contain letters, numbers and '-' only, "
        "and not end with '-'."
    )
    return validation_failed(CLIENT_FAILED, "Name", message)


def _unique(s: Situation) -> Refused | None:
    if not s.elsewhere:
        return None
    message = (  # Azure/azureml-examples PR #1930
        "There is already an endpoint with this name, Endpoint name needs to be unique within a region. "
        "Try some other name."
    )
    return validation_failed(CLIENT_FAILED, "", message)


def _location(s: Situation) -> Refused | None:
    if not s.wanted["location"]:
        message = "The location property is required for this definition."
        return Refused(400, "LocationRequired", message, plain=True)
    return None


def _auth_mode(s: Situation) -> Refused | None:
    if s.wanted["properties"]["authMode"] in AUTH_MODES.values():
        return None
    return validation_failed(CLIENT_FAILED, "AuthMode", f"AuthMode must be one of {', '.join(AUTH_MODES.values())}.")


def _network(s: Situation) -> Refused | None:
    if s.wanted["properties"]["publicNetworkAccess"] in ("Enabled", "Disabled"):
        return None
    return validation_failed(CLIENT_FAILED, "PublicNetworkAccess", "Must be Enabled or Disabled.")


def _managed_only(s: Situation) -> Refused | None:
    if s.wanted["properties"]["compute"] is None:
        return None
    return validation_failed(CLIENT_FAILED, "Compute", "The emulator has managed online endpoints only.")


def _identity_given(s: Situation) -> Refused | None:
    if str(s.wanted["identity"].get("type") or "None").lower() != "none":
        return None
    # A PUT without identity is rejected (public third-party dumps); text assumed.
    return validation_failed(CLIENT_FAILED, "Identity", "The identity of an online endpoint is required.")


def _identity_kept(s: Situation) -> Refused | None:
    if s.live is None or same_identity(s.live["identity"], s.wanted["identity"]):
        return None
    return identity_refused()


def _properties(s: Situation) -> Refused | None:
    return properties_kept(s.wanted, s.live)


def _traffic_at_creation(s: Situation) -> Refused | None:
    properties = s.wanted["properties"]
    if s.live or not (positive(properties["traffic"]) or positive(properties["mirrorTraffic"])):
        return None
    message = "Traffic cannot be set at endpoint creation: the deployments do not exist yet."  # assumed text
    return validation_failed(CLIENT_FAILED, "Traffic", message)


def _traffic_values(s: Situation) -> Refused | None:
    for key in ("traffic", "mirrorTraffic"):
        for name, weight in s.wanted["properties"][key].items():
            if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 100:
                message = f"The weight of {name} must be a whole number from 0 to 100."
                return validation_failed(CLIENT_FAILED, key[0].upper() + key[1:], message)
    return None


def _traffic_targets(s: Situation) -> Refused | None:
    for key in ("traffic", "mirrorTraffic"):
        missing = sorted(name for name in s.wanted["properties"][key] if name.lower() not in s.deployments)
        if missing:
            message = f"Deployment {', '.join(missing)} does not exist in endpoint {s.name}."  # assumed text
            return validation_failed(CLIENT_FAILED, key[0].upper() + key[1:], message)
    return None


def _traffic_sum(s: Situation) -> Refused | None:
    if sum(s.wanted["properties"]["traffic"].values()) in (0, 100):
        return None
    return validation_failed(CLIENT_FAILED, "Traffic", "Traffic values need to sum to 100.")


def _mirror(s: Situation) -> Refused | None:
    mirror = positive(s.wanted["properties"]["mirrorTraffic"])
    if len(mirror) > 1:
        message = "Traffic can be mirrored to one deployment only."
    elif sum(mirror.values()) > 50:
        message = "At most 50 percent of the traffic can be mirrored."
    elif mirror.keys() & positive(s.wanted["properties"]["traffic"]).keys():
        message = "A deployment can receive live traffic or mirrored traffic, but not both."
    else:
        return None
    return validation_failed(CLIENT_FAILED, "MirrorTraffic", message)


RULES: tuple[Callable[[Situation], Refused | None], ...] = (
    _name,
    _location,
    _unique,
    _managed_only,
    _identity_given,
    _auth_mode,
    _network,
    _identity_kept,
    _properties,
    _traffic_at_creation,
    _traffic_values,
    _traffic_targets,
    _traffic_sum,
    _mirror,
)
