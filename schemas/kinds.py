"""Which kind a document is, and which model describes it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from schemas.deployment import ManagedOnlineDeployment
from schemas.endpoint import ManagedOnlineEndpoint
from schemas.environment import Environment
from schemas.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.document import Written

Kind = Literal["endpoint", "deployment", "model", "environment"]

MODELS: Mapping[str, type[Written]] = {
    "endpoint": ManagedOnlineEndpoint,
    "deployment": ManagedOnlineDeployment,
    "model": Model,
    "environment": Environment,
}

# What az ml calls the kinds that are recognised and not managed; the values are for a person to read.
UNSUPPORTED: Mapping[str, str] = {
    "kubernetes_online_endpoint": "Kubernetes online endpoint",
    "kubernetes_online_deployment": "Kubernetes online deployment",
    "batch_endpoint": "batch endpoint",
    "batch_deployment": "batch deployment",
    "registry": "registry",
    "workspace": "workspace",
    "workspace_hub": "workspace hub",
    "workspace_project": "workspace project",
    "connection": "workspace connection",
    "compute": "compute",
    "datastore": "datastore",
    "data": "data asset",
    "data_import": "data import",
    "component": "component",
    "job": "job",
    "schedule": "schedule",
    "monitor": "model monitor",
    "model_package": "model package",
    "deployment_template": "deployment template",
    "feature_set": "feature set",
    "feature_store": "feature store",
    "feature_store_entity": "feature store entity",
    "marketplace_subscription": "marketplace subscription",
    "serverless_endpoint": "serverless endpoint",
    "index": "index",
    "capability_host": "capability host",
}

# File name of ``$schema`` without ``.schema.json``, in lower case. Names as published for the CLI v2
# (azuremlschemas.azureedge.net/latest), which the samples of Azure/azureml-examples refer to.
_BY_SCHEMA: Mapping[str, str] = {
    # This product's own files, schemas/json.
    "endpoint": "endpoint",
    "deployment": "deployment",
    "managedonlineendpoint": "endpoint",
    "managedonlinedeployment": "deployment",
    "model": "model",
    "environment": "environment",
    "kubernetesonlineendpoint": "kubernetes_online_endpoint",
    "kubernetesonlinedeployment": "kubernetes_online_deployment",
    "batchendpoint": "batch_endpoint",
    "batchdeployment": "batch_deployment",
    "modelbatchdeployment": "batch_deployment",
    "pipelinecomponentbatchdeployment": "batch_deployment",
    "pipelinebatchdeployment": "batch_deployment",
    "registry": "registry",
    "workspace": "workspace",
    "hub": "workspace_hub",
    "project": "workspace_project",
    "workspaceconnection": "connection",
    "connection": "connection",
    "data": "data",
    "dataimport": "data_import",
    "modelpackage": "model_package",
    "deploymenttemplate": "deployment_template",
    "schedule": "schedule",
    "monitor": "monitor",
    "monitorschedule": "monitor",
    "featureset": "feature_set",
    "featurestore": "feature_store",
    "featurestoreentity": "feature_store_entity",
    "marketplacesubscription": "marketplace_subscription",
    "serverlessendpoint": "serverless_endpoint",
    "index": "index",
    "capabilityhost": "capability_host",
}
# Families whose members are many: azureBlob, azureDataLakeGen2, amlCompute, computeInstance, commandJob, ...
_BY_SCHEMA_SUFFIX: Mapping[str, str] = {
    "job": "job",
    "component": "component",
    "compute": "compute",
    "computeinstance": "compute",
    "datastore": "datastore",
    "azureblob": "datastore",
    "azurefile": "datastore",
    "azuredatalakegen1": "datastore",
    "azuredatalakegen2": "datastore",
    "onelake": "datastore",
    "connection": "connection",
    "schedule": "schedule",
}
_BY_KIND: Mapping[str, str] = {
    "managed_online_endpoint": "endpoint",
    "managed_online_deployment": "deployment",
    "kubernetes_endpoint": "kubernetes_online_endpoint",
    "kubernetes_deployment": "kubernetes_online_deployment",
    **{kind: kind for kind in MODELS},
    **{kind: kind for kind in UNSUPPORTED},
}
SCHEMA_SUFFIX = ".schema.json"


def kind_of(data: Mapping[str, Any]) -> str | None:
    """Return a key of MODELS, a key of UNSUPPORTED, or None when the document does not say what it is.

    ``$schema`` speaks first, since exported files carry az ml's own ``kind: Managed``. The marks by which az
    ml itself picks Kubernetes (``compute`` on an endpoint, ``type: kubernetes`` on a deployment) count too.
    """
    schema = data.get("$schema")
    kind = (_by_schema(schema) if isinstance(schema, str) else None) or _by_kind(data.get("kind"))
    if kind == "endpoint" and "compute" in data:
        return "kubernetes_online_endpoint"
    if kind == "deployment" and str(data.get("type")).lower() == "kubernetes":
        return "kubernetes_online_deployment"
    return kind


@lru_cache(maxsize=256)  # asked several times for every document, and there are few different answers
def _by_schema(value: str) -> str | None:
    file_name = value.replace("\\", "/").rsplit("/", 1)[-1].lower()
    if not file_name.endswith(SCHEMA_SUFFIX):
        return None
    stem = file_name.removesuffix(SCHEMA_SUFFIX).removesuffix(".patch")
    if stem in _BY_SCHEMA:
        return _BY_SCHEMA[stem]
    return next((kind for suffix, kind in _BY_SCHEMA_SUFFIX.items() if stem.endswith(suffix)), None)


def _by_kind(value: object) -> str | None:
    return _BY_KIND.get(value) if isinstance(value, str) else None
