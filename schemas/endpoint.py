"""Managed online endpoint: the address, who may call it, and how its traffic is split."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic import Strict as StrictMode
from pydantic_core import PydanticCustomError

from schemas.document import Written
from schemas.scalars import ServingName, Text, Texts, spelled
from schemas.strict import Strict

Percent = Annotated[int, Field(ge=0, le=100)]
Access = Annotated[Literal["enabled", "disabled"], BeforeValidator(spelled("enabled", "disabled"))]
AuthMode = Annotated[
    Literal["key", "aml_token", "aad_token"], BeforeValidator(spelled("key", "aml_token", "aad_token"))
]
IdentityType = Annotated[
    Literal["system_assigned", "user_assigned"],
    BeforeValidator(spelled("system_assigned", "user_assigned")),
]


def _traffic(weights: dict[str, int]) -> dict[str, int]:
    total = sum(weights.values())
    if total not in (0, 100):
        # "Traffic values need to sum to 100"; all zero means that nobody is served by default.
        # learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online
        raise PydanticCustomError(
            "traffic",
            "the percentages add up to {total}, they must add up to 100 (or all be 0)",
            {"total": total},
        )
    return weights


def _mirror(weights: dict[str, int]) -> dict[str, int]:
    # learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
    if len(weights) > 1:
        raise PydanticCustomError("traffic", "only one deployment can get mirrored traffic")
    if any(weight > 50 for weight in weights.values()):
        raise PydanticCustomError("traffic", "at most 50 % of the traffic can be mirrored")
    return weights


class UserAssignedIdentity(Strict):
    """One managed identity that exists already."""

    resource_id: Text = Field(description="ARM id of the managed identity.")
    client_id: str | None = Field(default=None, description="Client id of the identity, as az ml exports it.")
    object_id: str | None = Field(default=None, description="Object id of the identity, as az ml exports it.")
    principal_id: str | None = Field(default=None, description="Principal id, as az ml exports it.")


class Identity(Strict):
    """Which identity the deployments run as. Azure does not let it change after the endpoint is created."""

    type: IdentityType = Field(description="Made with the endpoint, or made before.")
    user_assigned_identities: Annotated[tuple[UserAssignedIdentity, ...], StrictMode(False)] = Field(
        default=(),
        max_length=1,
        description="The identity to use with `type: user_assigned`; az ml accepts exactly one.",
    )
    principal_id: str | None = Field(default=None, description="Written by Azure; exported files have it.")
    tenant_id: str | None = Field(default=None, description="Written by Azure; exported files have it.")

    @model_validator(mode="after")
    def _identity_fits_type(self) -> Self:
        if self.type == "user_assigned" and not self.user_assigned_identities:
            raise PydanticCustomError(
                "identity", "type user_assigned needs user_assigned_identities with one resource_id"
            )
        if self.type != "user_assigned" and self.user_assigned_identities:
            raise PydanticCustomError("identity", "user_assigned_identities need type user_assigned")
        return self


class ManagedOnlineEndpoint(Written):
    """A managed online endpoint."""

    name: ServingName = Field(
        description="Name of the endpoint: 3 to 32 letters, digits or `-`, unique within the Azure region."
    )
    description: str | None = Field(default=None, description="What the endpoint is for.")
    tags: Texts = Field(default={}, description="Names and values to find the endpoint by.")
    properties: Texts = Field(
        default={}, description="Names and values that can be added, and never changed or removed."
    )
    auth_mode: AuthMode = Field(default="key", description="How callers prove who they are.")
    location: str | None = Field(default=None, description="Azure region; left out, the region of the workspace.")
    identity: Identity | None = Field(
        default=None,
        description="Identity that the deployments run as, which cannot change later; left out, a system-assigned one.",
    )
    traffic: Annotated[dict[str, Percent], AfterValidator(_traffic)] = Field(
        default={}, description="Deployment names and the percentage of requests each gets; 0 or 100 in all."
    )
    mirror_traffic: Annotated[dict[str, Percent], AfterValidator(_mirror)] = Field(
        default={}, description="One deployment and the percentage of requests (at most 50) copied to it."
    )
    public_network_access: Access = Field(
        default="enabled",
        description="Whether the endpoint answers from the internet; this product accepts only `disabled`.",
    )
