"""The project file, ``gitops.yaml``: which environments there are, where they live, what they share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag
from pydantic import Strict as StrictMode
from pydantic_core import PydanticCustomError

from schemas.errors import AZURE, CONTAINER, EMULATOR, FOLDER
from schemas.scalars import Text, not_empty
from schemas.strict import Strict


def _scalar(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    raise PydanticCustomError("scalar", "must be text, a number, or true or false")


def _inside(value: str) -> str:
    if value.startswith("/") or ".." in value.replace("\\", "/").split("/"):
        raise PydanticCustomError("path_escape", "'{path}' leads out of the project", {"path": value})
    return value


Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar)]
Defaults = dict[Literal["endpoint", "deployment", "model", "environment"], dict[str, Any]]
ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+$")]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")]
LocalFolder = Annotated[Text, AfterValidator(_inside)]


class EmulatorTarget(Strict):
    """The embedded Azure ML."""

    emulator: Text = Field(
        description="Folder of the emulator's state, relative to gitops.yaml; absolute where a repository is followed."
    )


class AzureTarget(Strict):
    """A workspace in Azure."""

    subscription_id: Guid = Field(description="Id of the Azure subscription.")
    resource_group: Text = Field(description="Resource group of the workspace.")
    workspace: Text = Field(description="Name of the workspace.")
    location: Text = Field(description="Azure region of the workspace, such as `westeurope`.")
    cloud: Literal["AzureCloud", "AzureChinaCloud", "AzureUSGovernment"] = Field(
        default="AzureCloud", description="Which Azure: the public one or a sovereign cloud."
    )


class Limits(Strict):
    """How much one sync may do."""

    max_delete_percent: int = Field(
        default=30, ge=0, le=100, description="Share of a kind, in percent, that one plan may delete."
    )
    workers: int = Field(default=8, ge=1, le=64, description="How many writes may be under way at once.")


class StateFolder(Strict):
    """State on this machine: enough for one replica."""

    folder: Text = Field(
        description="Folder, relative to gitops.yaml; absolute where a repository is followed. It needs no backup."
    )


class StateContainer(Strict):
    """State in Azure Blob storage: for replicas on several machines, and for people who look at them."""

    container_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@?#\s]+/[^@?#\s]+$")] = Field(
        description="Address of a blob container, such as `https://acme.blob.core.windows.net/aml-gitops`."
    )
    lease_s: int = Field(
        default=30, ge=15, le=60, description="How long a lease lasts after its holder died, in seconds."
    )


class SyncWindow(Strict):
    """A time in which writes are allowed, or denied."""

    kind: Literal["allow", "deny"] = Field(
        description="With any `allow` window, writes happen only inside of one; a `deny` window always wins."
    )
    schedule: Text = Field(description="When it opens: a cron line of five fields, such as `0 22 * * 1-5`.")
    duration_minutes: int = Field(ge=1, le=60 * 24 * 7, description="How long it stays open.")
    time_zone: Text = Field(default="UTC", description="IANA time zone of the schedule, such as `Europe/Amsterdam`.")


class Variable(Strict):
    """A value that differs between environments, used as `${{ var.<name> }}`."""

    type: Literal["string", "integer", "number", "boolean"] = Field(default="string", description="Type of the value.")
    default: Scalar | None = Field(
        default=None, description="Value where an environment gives none; left out, every environment must."
    )
    description: str | None = Field(default=None, description="What the variable is for.")


def _target(value: object) -> str:
    if isinstance(value, EmulatorTarget) or (isinstance(value, dict) and "emulator" in value):
        return EMULATOR
    return AZURE


def _state(value: object) -> str:
    if isinstance(value, StateContainer) or (isinstance(value, dict) and "container_url" in value):
        return CONTAINER
    return FOLDER


class ProjectEnvironment(Strict):
    """One place that the manifests are brought to."""

    target: Annotated[
        Annotated[EmulatorTarget, Tag(EMULATOR)] | Annotated[AzureTarget, Tag(AZURE)], Discriminator(_target)
    ] = Field(description="Where it lives: the embedded emulator, or an Azure workspace.")
    network: Literal["managed_vnet", "legacy_egress"] = Field(
        description="How deployments reach other services privately; must fit the workspace."
    )
    container_registry: Host | None = Field(
        default=None, description="Login server of the workspace's own registry, such as `acme.azurecr.io`."
    )
    variables: dict[VariableName, Scalar] = Field(default={}, description="Values of the declared variables.")
    defaults: Defaults = Field(default={}, description="Like the project's `defaults`, and merged over them.")
    prune: bool | None = Field(default=None, description="Overrides the project's `prune`.")
    limits: Limits | None = Field(default=None, description="Overrides single limits of the project.")
    suspend: bool = Field(
        default=False, description="Whether the loop leaves the whole environment alone; it still looks and reports."
    )
    sync_windows: Annotated[tuple[SyncWindow, ...], StrictMode(False)] = Field(
        default=(), description="When writes may happen; none means always."
    )


class Project(Strict):
    """The project file."""

    project: ProjectName = Field(description="Name of the project; owned resources are tagged with it.")
    manifests: Annotated[tuple[LocalFolder, ...], StrictMode(False), AfterValidator(not_empty)] = Field(
        default=("base",), description="Folders or files that every environment reads."
    )
    overlays: LocalFolder = Field(
        default="overlays", description="Folder with one folder of merge patches for each environment."
    )
    defaults: Defaults = Field(
        default={}, description="Fields, by kind, for every manifest that does not write them itself."
    )
    variables: dict[VariableName, Variable] = Field(
        default={}, description="Variables that manifests may use as `${{ var.<name> }}`."
    )
    limits: Limits = Field(default=Limits(), description="How much one sync may delete, and do at once.")
    prune: bool = Field(default=False, description="Whether owned resources that left Git are deleted.")
    state: Annotated[
        Annotated[StateFolder, Tag(FOLDER)] | Annotated[StateContainer, Tag(CONTAINER)], Discriminator(_state)
    ] = Field(
        default=StateFolder(folder=".aml-gitops"),
        description="Where leases, conditions, orders and the journal are kept.",
    )
    environments: Annotated[dict[EnvironmentName, ProjectEnvironment], AfterValidator(not_empty)] = Field(
        description="The environments, by name."
    )

    def limits_of(self, environment: str) -> Limits:
        """Return the limits of an environment: its own where it wrote them, else the project's."""
        own = self.environments[environment].limits
        written = {} if own is None else own.model_dump(exclude_unset=True)
        return self.limits.model_copy(update=written)

    def prune_of(self, environment: str) -> bool:
        """Return whether an environment deletes what Git no longer has."""
        own = self.environments[environment].prune
        return self.prune if own is None else own
