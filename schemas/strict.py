"""How strict every model is: what is not described is refused, what is read cannot change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A mapping that a person wrote. Unknown keys, wrong types and empty values are errors.

    ``model_fields_set`` tells what was written from what is a default.
    """

    # Built on first use: a command that reads no manifest does not pay for their validators.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_empty(cls, value: object) -> object:
        # az ml refuses null for every field (marshmallow's default); mostly it is an unfinished edit.
        if value is None:
            raise PydanticCustomError("empty", "has no value: write one, or remove the line")
        return value
