"""Managed online endpoints. https://learn.microsoft.com/rest/api/azureml/online-endpoints"""

from __future__ import annotations

from typing import Any

from reconciler.kinds.forms import LOCATION, MAP, Form, one_of
from reconciler.kinds.kind import Field, Kind

_NEW_ENDPOINT = (
    "Declare an endpoint under a new name, move callers to it, then remove this one: an endpoint name is a DNS label, "
    "so the old and the new one can serve side by side."
)


def _identities(value: Any) -> Any:
    """User-assigned identities are a map keyed by resource id; Azure fills the values and keeps its own casing."""
    if isinstance(value, dict):
        return sorted(key.lower() for key in value)
    return value


def _written_identities(value: Any) -> Any:
    return [{"resource_id": key} for key in sorted(value)] if isinstance(value, dict) else value


KIND = Kind(
    name="endpoint",
    doc="https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online",
    fields=(
        Field(
            "location",
            "location",
            LOCATION,
            immutable=_NEW_ENDPOINT,
            source="azure-rest-api-specs: location is read+create",
        ),
        Field(
            "identity.type",
            "identity.type",
            one_of({"system_assigned": "SystemAssigned", "user_assigned": "UserAssigned"}),
            default="SystemAssigned",
            immutable=_NEW_ENDPOINT,
            source="learn.microsoft.com: how-to-access-resources-from-endpoints-managed-identities, 'immutable'",
        ),
        Field(
            "identity.user_assigned_identities",
            "identity.userAssignedIdentities",
            Form(lambda items: {item["resource_id"]: {} for item in items}, _identities, _written_identities),
            immutable=_NEW_ENDPOINT,
            source="learn.microsoft.com: how-to-access-resources-from-endpoints-managed-identities, 'immutable'",
        ),
        Field("description", "properties.description", default=None),
        Field(
            "auth_mode",
            "properties.authMode",
            one_of({"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}),
            default="Key",
        ),
        Field(
            "public_network_access",
            "properties.publicNetworkAccess",
            one_of({"enabled": "Enabled", "disabled": "Disabled"}),
            source="learn.microsoft.com: concept-secure-online-endpoint; the default is enabled, so it is always sent",
        ),
        Field(
            "properties",
            "properties.properties",
            MAP,
            default={},
            additive=True,
            immutable=_NEW_ENDPOINT,
            source="azure-rest-api-specs: 'can be added, but not removed or altered'",
            server_keys=frozenset(
                {
                    "azureml.onlineendpointid",
                    "AzureAsyncOperationUri",
                    "createdBy",
                    "createdAt",
                    "lastModifiedAt",
                }
            ),
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
        "sku",
        "identity.principalId",
        "identity.tenantId",
        "properties.provisioningState",
        "properties.scoringUri",
        "properties.swaggerUri",
        "properties.compute",
        "properties.keys",
    ),
)
