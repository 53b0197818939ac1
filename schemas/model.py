"""Model: files under a name and a version."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic import Strict as StrictMode

from schemas.document import Written
from schemas.scalars import AssetName, Text, Texts, Version, spelled
from schemas.strict import Strict

ModelType = Annotated[
    Literal["custom_model", "mlflow_model", "triton_model"],
    BeforeValidator(spelled("custom_model", "mlflow_model", "triton_model")),
]


class DeploymentTemplate(Strict):
    """A deployment template of a registry."""

    asset_id: Text = Field(
        description="Asset id: `azureml://registries/<registry>/deploymenttemplates/<name>/versions/<version>`."
    )


class ModelFields(Strict):
    """The fields of a model, whether it has a file of its own or stands inside a deployment."""

    version: Version | None = Field(
        default=None, description="Version of the model; left out, the hash of its content."
    )
    type: ModelType = Field(default="custom_model", description="How the model is stored on disk.")
    path: Text = Field(description="File or folder relative to this manifest, or an `azureml://` or `runs:/` address.")
    description: str | None = Field(default=None, description="What the model is for.")
    tags: Texts = Field(default={}, description="Names and values to find the model by.")
    properties: Texts = Field(
        default={}, description="Names and values that can be added, and never changed or removed."
    )
    stage: str | None = Field(default=None, description="Stage of the model's life, such as `Production`.")
    flavors: dict[str, Any] = Field(
        default={}, description="MLflow flavors of the model; az ml reads them from the MLmodel file."
    )
    datastore: str | None = Field(
        default=None, description="Datastore to upload to; left out, the default store of the workspace."
    )
    default_deployment_template: DeploymentTemplate | None = Field(
        default=None, description="Deployment template that is used unless another is asked for."
    )
    allowed_deployment_templates: Annotated[tuple[DeploymentTemplate, ...], StrictMode(False)] = Field(
        default=(), description="Deployment templates that may be used with this model."
    )


class Model(ModelFields, Written):
    """A model asset."""

    name: AssetName = Field(description="Name of the model in the workspace.")


class InlineModel(ModelFields):
    """A model that is written inside a deployment."""

    name: AssetName | None = Field(
        default=None, description="Name of the model; left out, one is made from the deployment's."
    )
