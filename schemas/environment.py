"""Environment: the image that a deployment runs in, and how to build it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from schemas.document import Written
from schemas.errors import INLINE, REFERENCE, inline_or_reference
from schemas.scalars import AssetName, Text, Texts, Version, spelled
from schemas.strict import Strict

OsType = Annotated[Literal["linux", "windows"], BeforeValidator(spelled("linux", "windows"))]
CondaFile = Annotated[
    Annotated[Text, Tag(REFERENCE)] | Annotated[dict[str, Any], Tag(INLINE)],
    Discriminator(inline_or_reference),
]


class BuildContext(Strict):
    """A Dockerfile and the files it needs."""

    path: Text = Field(description="Folder relative to this manifest, or an http(s) address.")
    dockerfile_path: Text = Field(default="Dockerfile", description="The Dockerfile, relative to `path`.")


class Route(Strict):
    """Where in the container a request goes."""

    path: Text = Field(description="URL path that the container answers.")
    port: int = Field(ge=1, le=65535, description="Port that the container listens on.")


class InferenceConfig(Strict):
    """The three routes of a container that brings its own server."""

    liveness_route: Route = Field(description="Route that answers while the container is alive.")
    readiness_route: Route = Field(description="Route that answers once the container can serve.")
    scoring_route: Route = Field(description="Route that answers requests.")


class EnvironmentFields(Strict):
    """The fields of an environment, whether it has a file of its own or stands inside a deployment."""

    version: Version | None = Field(
        default=None, description="Version of the environment; left out, the hash of its content."
    )
    description: str | None = Field(default=None, description="What the environment is for.")
    tags: Texts = Field(default={}, description="Names and values to find the environment by.")
    image: Text | None = Field(default=None, description="Container image; not together with `build`.")
    conda_file: CondaFile | None = Field(
        default=None,
        description="Conda file relative to this manifest, or its content, installed on top of `image`.",
    )
    build: BuildContext | None = Field(
        default=None, description="Folder to build the image from; not together with `image`."
    )
    os_type: OsType = Field(default="linux", description="Operating system of the image.")
    inference_config: InferenceConfig | None = Field(
        default=None, description="Routes of a container with its own server; all three are needed."
    )
    datastore: str | None = Field(
        default=None,
        description="Datastore for the build context; left out, the workspace's default.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        # azure-ai-ml 1.35.2, entities/_assets/environment.py::validate
        if self.image is not None and self.build is not None:
            raise PydanticCustomError("image_or_build", "has both image and build: keep one of them")
        if self.conda_file is not None and self.image is None:
            raise PydanticCustomError("conda_needs_image", "conda_file needs an image to be installed on")
        if self.image is None and self.build is None:
            raise PydanticCustomError("image_or_build", "needs an image, or a build folder with a Dockerfile")
        return self


class Environment(EnvironmentFields, Written):
    """An environment asset."""

    name: AssetName = Field(description="Name of the environment in the workspace.")


class InlineEnvironment(EnvironmentFields):
    """An environment that is written inside a deployment."""

    name: AssetName | None = Field(
        default=None,
        description="Name of the environment; left out, one is made from the deployment's.",
    )
