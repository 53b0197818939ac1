"""The loop file, ``loop.yaml``: how one machine follows a repository. It lies with the machine, not in the repository.

What decides whom to trust (where the commits come from, who must have signed them) cannot itself come from a commit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic import Strict as StrictMode
from pydantic_core import PydanticCustomError

from schemas.project import EnvironmentName, LocalFolder
from schemas.scalars import Text
from schemas.strict import Strict

VariableOfEnvironment = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$")]


class Secret(Strict):
    """Where a secret is to be had when it is needed: an environment variable or a file, such as a mounted secret."""

    env: VariableOfEnvironment | None = Field(default=None, description="Name of the environment variable.")
    file: Text | None = Field(default=None, description="Path of the file, relative to loop.yaml.")

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError("secret", "must name either `env` or `file`, never the secret itself")
        return self


class Verify(Strict):
    """Who must have signed the commit."""

    allowed_signers: Text | None = Field(
        default=None, description="OpenSSH allowed signers file (ssh-keygen(1)), relative to loop.yaml."
    )
    gpg_keys: Text | None = Field(
        default=None, description="File of exported GPG public keys, all of which are trusted; relative to loop.yaml."
    )

    @model_validator(mode="after")
    def _some(self) -> Verify:
        if self.allowed_signers is None and self.gpg_keys is None:
            raise PydanticCustomError("verify", "must name `allowed_signers`, `gpg_keys` or both")
        return self


class GitSource(Strict):
    """A repository, the revision in it to follow, and how to sign in. Without any of the four, its default branch."""

    url: Text = Field(
        description="Address for `git fetch`: https, ssh, `git@host:path` or a local path. No password in it."
    )
    branch: Text | None = Field(default=None, description="Follow this branch.")
    tag: Text | None = Field(default=None, description="Follow this tag.")
    semver: Text | None = Field(default=None, description="Follow the highest tag in this range, such as `>=1.2 <2`.")
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")] | None = Field(
        default=None, description="Stay at this commit, written in full."
    )
    path: LocalFolder = Field(default=".", description="Folder of gitops.yaml in the repository.")
    submodules: bool = Field(default=False, description="Whether submodules are fetched too.")
    username: Text = Field(default="git", description="User name that goes with the token; most forges take any.")
    token: Secret | None = Field(default=None, description="Token for https.")
    ssh_key: Text | None = Field(default=None, description="Private key file for ssh, relative to loop.yaml.")
    known_hosts: Text | None = Field(default=None, description="known_hosts file for ssh, relative to loop.yaml.")
    ca_file: Text | None = Field(default=None, description="Certificate authorities for https, relative to loop.yaml.")
    verify: Verify | None = Field(default=None, description="Who must have signed the commit; left out, nobody.")

    @model_validator(mode="after")
    def _one_revision(self) -> GitSource:
        named = [name for name in ("branch", "tag", "semver", "commit") if getattr(self, name) is not None]
        if len(named) > 1:
            raise PydanticCustomError(
                "revision", "may name only one of branch, tag, semver and commit; it names {named}",
                {"named": " and ".join(named)},
            )  # fmt: skip
        return self


class Retry(Strict):
    """Pauses after what may pass by itself: doubled each time, up to a limit, shortened by chance."""

    first_s: float = Field(default=5.0, gt=0, description="Seconds before the first retry.")
    longest_s: float = Field(default=300.0, gt=0, description="Seconds that no pause is longer than.")


class AzureDevOpsHook(Strict):
    """A service hook of Azure DevOps with basic authentication, the one check that it offers."""

    username: Text = Field(description="User name of the basic authentication.")
    password: Secret = Field(description="Its password.")


class Webhooks(Strict):
    """Which pushes are believed: `POST /webhooks/github`, `/webhooks/gitlab`, `/webhooks/azuredevops`."""

    github: Secret | None = Field(default=None, description="Secret of the HMAC in `X-Hub-Signature-256`.")
    gitlab: Secret | None = Field(
        default=None, description="Secret token (`X-Gitlab-Token`) or signing token (`whsec_...`)."
    )
    azuredevops: AzureDevOpsHook | None = Field(default=None, description="Basic authentication of the service hook.")


class CommitStatus(Strict):
    """A mark on the commit for each environment: `aml-gitops/<environment>`."""

    forge: Literal["github", "gitlab", "azuredevops"] = Field(description="Which API to speak.")
    repository: Text = Field(
        description="GitHub: `owner/name`; GitLab: path or id; Azure DevOps: `organization/project/repository`."
    )
    api_url: Url | None = Field(default=None, description="Address of the API, when it is not the public one.")
    token: Secret = Field(description="Token that may write commit statuses.")


class Notification(Strict):
    """Somebody to tell of the first failure, of the recovery, and again after a while."""

    type: Literal["slack", "teams", "webhook"] = Field(description="What the address understands.")
    url: Secret = Field(description="The address; it is a secret, since whoever has it may post.")
    environments: Annotated[tuple[EnvironmentName, ...], StrictMode(False)] = Field(
        default=(), description="Only of these environments; none means all."
    )
    remind_after_s: float = Field(
        default=14_400.0, ge=60, description="Seconds after which a failure that lasts is told again."
    )


class Loop(Strict):
    """The loop file."""

    source: GitSource | None = Field(
        default=None, description="Repository to follow; left out, the working copy that `-C` names."
    )
    environments: Annotated[tuple[EnvironmentName, ...], StrictMode(False)] = Field(
        default=(), description="Environments to reconcile; none means all of gitops.yaml."
    )
    folder: Text = Field(
        default=".aml-gitops", description="Folder for the clone, relative to loop.yaml; losing it loses nothing."
    )
    interval_s: float = Field(default=120.0, ge=1, description="Seconds between two sweeps of an environment.")
    jitter_percent: int = Field(
        default=10, ge=0, le=50, description="How much each pause varies, so that replicas spread out."
    )
    poll_s: float = Field(default=30.0, ge=0.1, description="Seconds between two looks at the repository.")
    retry: Retry = Field(default=Retry(), description="Pauses after what may pass by itself.")
    listen: Text | None = Field(
        default=None,
        description="`ADDRESS:PORT` for /healthz, /readyz, /metrics and webhooks; left out, nothing listens.",
    )
    webhooks: Webhooks = Field(default=Webhooks(), description="Push events that start a look at the repository.")
    commit_status: CommitStatus | None = Field(default=None, description="Where to mark commits.")
    notifications: Annotated[tuple[Notification, ...], StrictMode(False)] = Field(
        default=(), description="Whom to tell of failures and recoveries."
    )
