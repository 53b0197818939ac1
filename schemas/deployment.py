"""Managed online deployment: which model runs, in what, on how many machines of which size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic import Strict as StrictMode
from pydantic_core import PydanticCustomError

from schemas.document import Written
from schemas.endpoint import Access  # noqa: TC001 Pydantic reads it at run time
from schemas.environment import InlineEnvironment
from schemas.errors import INLINE, REFERENCE, inline_or_reference
from schemas.model import InlineModel
from schemas.scalars import ServingName, Switch, Text, Texts, Version, not_empty, spelled
from schemas.strict import Strict

ModelSource = Annotated[
    Annotated[Text, Tag(REFERENCE)] | Annotated[InlineModel, Tag(INLINE)], Discriminator(inline_or_reference)
]
EnvironmentSource = Annotated[
    Annotated[Text, Tag(REFERENCE)] | Annotated[InlineEnvironment, Tag(INLINE)],
    Discriminator(inline_or_reference),
]
AtLeastOne = Annotated[int, Field(ge=1)]
_autoscale = spelled("target_utilization")


class CodeConfiguration(Strict):
    """The user's own scoring code."""

    code: Text = Field(description="Folder relative to this manifest that is uploaded with the deployment.")
    scoring_script: Text = Field(description="Script with `init()` and `run()`, relative to `code`.")


class ScaleSettings(Strict):
    """How the number of machines changes. Managed deployments know only the default: it does not."""

    type: Annotated[Literal["default"], BeforeValidator(spelled("default"))] = Field(
        description="Managed deployments scale by hand; autoscale is an Azure Monitor setting of its own."
    )

    @model_validator(mode="before")
    @classmethod
    def _managed_only(cls, value: object) -> object:
        # azure-ai-ml 1.35.2: "ManagedOnlineEndpoint supports DefaultScaleSettings only."
        if isinstance(value, dict) and _autoscale(value.get("type")) == "target_utilization":
            raise PydanticCustomError(
                "scale_settings",
                "managed deployments know only type default; autoscale is an Azure Monitor setting",
            )
        return value


class RequestSettings(Strict):
    """Limits of a single request, and of how many there may be."""

    request_timeout_ms: int = Field(
        default=5000,
        ge=1,
        le=180_000,
        description="Milliseconds until a request is given up, at most 180000.",
    )
    max_concurrent_requests_per_instance: AtLeastOne = Field(
        default=1, description="Requests that one machine works on at the same time."
    )
    max_queue_wait_ms: AtLeastOne = Field(
        default=500,
        description="Milliseconds that a request may wait in the queue; deprecated for managed deployments.",
    )


class Probe(Strict):
    """How Azure asks whether the container is well. Times are seconds."""

    initial_delay: AtLeastOne = Field(default=10, description="Seconds until the first question.")
    period: AtLeastOne = Field(default=10, description="Seconds between two questions.")
    timeout: AtLeastOne = Field(default=2, description="Seconds until a question counts as unanswered.")
    success_threshold: AtLeastOne = Field(default=1, description="Good answers in a row that mean well.")
    failure_threshold: AtLeastOne = Field(default=30, description="Bad answers in a row that mean unwell.")


class CollectedData(Strict):
    """The data asset that a collection is written to."""

    name: str | None = Field(default=None, description="Name of the data asset.")
    version: Version | None = Field(default=None, description="Version of the data asset.")
    path: str | None = Field(default=None, description="Datastore path that the data is written to.")
    data_id: str | None = Field(default=None, description="ARM id of the data asset.")


class Collection(Strict):
    """One stream of collected data: `request`, `response`, or a name that the scoring script uses."""

    enabled: Switch = Field(description="Whether this stream is collected.")
    data: (
        Annotated[
            Annotated[Text, Tag(REFERENCE)] | Annotated[CollectedData, Tag(INLINE)],
            Discriminator(inline_or_reference),
        ]
        | None
    ) = Field(default=None, description="Data asset to write to; left out, Azure picks one by name.")
    client_id: str | None = Field(default=None, description="Client id of the identity that writes.")


class RequestLogging(Strict):
    """What is logged of each request."""

    capture_headers: Annotated[tuple[str, ...], StrictMode(False)] = Field(
        default=(), description="Names of the request headers that are logged."
    )


class DataCollector(Strict):
    """What is kept of requests and answers, for monitoring."""

    collections: Annotated[dict[str, Collection], AfterValidator(not_empty)] = Field(
        description="The streams to collect, by name."
    )
    rolling_rate: Annotated[Literal["minute", "hour", "day"], BeforeValidator(spelled("minute", "hour", "day"))] = (
        Field(default="hour", description="How much time one file of collected data covers.")
    )
    sampling_rate: float = Field(default=1.0, ge=0, le=1, description="Share of requests kept, 0 to 1.")
    request_logging: RequestLogging | None = Field(default=None, description="What is logged of requests.")


class ManagedOnlineDeployment(Written):
    """A managed online deployment."""

    name: ServingName = Field(description="Name of the deployment: 3 to 32 letters, digits or `-`.")
    endpoint_name: ServingName = Field(description="Name of the endpoint that it serves.")
    type: Annotated[Literal["managed"], BeforeValidator(spelled("managed"))] = Field(
        default="managed", description="Managed machines, as against Kubernetes."
    )
    description: str | None = Field(default=None, description="What the deployment is for.")
    tags: Texts = Field(default={}, description="Names and values to find the deployment by.")
    properties: Texts = Field(
        default={}, description="Names and values that can be added, and never changed or removed."
    )
    model: ModelSource | None = Field(
        default=None, description="`azureml:<name>:<version>`, or a model written in place."
    )
    code_configuration: CodeConfiguration | None = Field(
        default=None, description="The scoring code; an MLflow model needs none."
    )
    environment: EnvironmentSource | None = Field(
        default=None, description="`azureml:<name>:<version>`, or an environment written in place."
    )
    environment_variables: Texts = Field(
        default={}, description="Variables of the container; values may refer to secrets as `${{...}}`."
    )
    app_insights_enabled: bool = Field(default=False, description="Whether logs go to Application Insights.")
    scale_settings: ScaleSettings | None = Field(default=None, description="How the machine count changes.")
    request_settings: RequestSettings | None = Field(
        default=None, description="How long and how many requests may wait."
    )
    liveness_probe: Probe | None = Field(default=None, description="How Azure asks whether it is alive.")
    readiness_probe: Probe | None = Field(default=None, description="How Azure asks whether it can serve.")
    instance_count: int = Field(default=1, ge=1, le=50, description="Number of machines, 1 to 50.")
    instance_type: Text = Field(description="Size of the machines, such as `Standard_DS3_v2`; cannot change later.")
    model_mount_path: str | None = Field(
        default=None, description="Path in the container that the model is mounted at."
    )
    data_collector: DataCollector | None = Field(
        default=None, description="What is kept of requests and answers; left out, nothing."
    )
    egress_public_network_access: Access | None = Field(
        default=None,
        description="`disabled` keeps outbound traffic inside the workspace's network (the legacy way).",
    )
    private_network_connection: bool | None = Field(
        default=None, description="Experimental in az ml; older name of the private egress switch."
    )
