"""The ``gitops:`` block of a manifest: what the reconciler may do with the resource. Never sent to Azure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic import Strict as StrictMode

from schemas.strict import Strict

ArmPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]


class Sample(Strict):
    """A request that the deployed endpoint must be able to answer."""

    request: str = Field(description="Path of a JSON file, relative to this manifest, that is sent to the endpoint.")
    expect: Any = Field(
        default=None, description="The JSON answer that the endpoint must give; left out, any answer will do."
    )
    tolerance: float = Field(
        default=1e-6, ge=0, description="How far numbers of the answer may be from the expected ones."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_empty(cls, value: object) -> object:
        # ``expect: null`` is a JSON answer like any other; the other two fields refuse null by their type.
        return value


class Gitops(Strict):
    """What the reconciler may do with this resource."""

    adopt: bool = Field(
        default=False,
        description="Take over a resource of this name that this project did not make.",
    )
    protect: bool = Field(default=False, description="Never delete or replace this resource.")
    ignore: Annotated[tuple[ArmPath, ...], StrictMode(False)] = Field(
        default=(),
        description="Dotted ARM paths whose live value is left alone, such as `properties.description`.",
        examples=[["sku.capacity"]],
    )
    drift: Literal["heal", "report"] = Field(
        default="heal",
        description="Whether a live value that moved without a commit is set back or only shown.",
    )
    suspend: bool = Field(
        default=False,
        description="Leave this resource alone for now: drift and changes are shown, nothing is written. "
        "Of an endpoint also its deployments and traffic.",
    )
    sample: Sample | None = Field(default=None, description="A request, and the answer it must get.")
