"""Which pull request a pipeline runs for: what GitHub Actions, GitLab CI and Azure Pipelines say in the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.errors import UsageError
from reconciler.notify.forges import PUBLIC_API, TITLES, azure_devops, forge_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.notify.forges import Forge, ForgeName

TOKEN_HELP: Mapping[ForgeName, str] = {
    "github": "set `GITHUB_TOKEN: ${{ github.token }}` in the `env` of the step, and `pull-requests: write` in "
    "`permissions`",
    "gitlab": "make a project access token with the scope `api` and the role Reporter, and a masked variable of it; "
    "the job token may not write comments",
    "azuredevops": "set `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the `env` of the step, and let the build "
    "service contribute to pull requests",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A pull request, or a merge request, on a forge."""

    forge: Forge
    pull_request: int


def forge_name(environ: Mapping[str, str]) -> ForgeName | None:
    """The forge whose pull request this pipeline builds; None outside of a pipeline."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    if environ.get("GITLAB_CI") == "true":
        return "gitlab"
    if environ.get("TF_BUILD", "").lower() == "true":
        # Azure Pipelines also build repositories of GitHub, whose pull requests are there.
        return "github" if environ.get("BUILD_REPOSITORY_PROVIDER", "").lower() == "github" else "azuredevops"
    return None


def place_of(
    environ: Mapping[str, str], event: object, *, forge: ForgeName | None = None, pull_request: str | None = None
) -> Place:
    """The pull request that options and the environment name; options win.

    ``event`` is the JSON of GITHUB_EVENT_PATH, None without one. Raises UsageError that lists all that is missing.
    """
    name = forge or forge_name(environ)
    if name is None:
        raise UsageError(
            "this is no pipeline of GitHub, GitLab or Azure DevOps: name one with --forge, and set what it needs"
        )
    missing: list[str] = []

    def wanted(variable: str, help_text: str = "", default: str = "") -> str:
        # Azure Pipelines leave `$(name)` as it is when a variable does not exist.
        value = environ.get(variable, "").strip()
        value = "" if value.startswith("$(") else value or default
        if not value:
            missing.append(f"{variable} is not set{': ' + help_text if help_text else ''}")
        return value

    make = {"github": _github, "gitlab": _gitlab, "azuredevops": _azure_devops}[name]
    made = make(environ, wanted)
    number = (_number(name, environ, event) if pull_request is None else pull_request).strip()
    if pull_request is not None and not re.fullmatch(r"[1-9][0-9]{0,17}", number):
        raise UsageError(f"--pull-request '{pull_request}' is no number of a pull request")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", number):
        missing.append("The pull request is not known: run in a pipeline of one, or give --pull-request N")
    if missing:
        raise UsageError(f"cannot comment on {TITLES[name]}. {'. '.join(missing)}")
    return Place(made(), int(number))


def _github(environ: Mapping[str, str], wanted: Callable[..., str]) -> Callable[[], Forge]:
    fallback = environ.get("BUILD_REPOSITORY_NAME", "") if "TF_BUILD" in environ else ""
    repository = wanted("GITHUB_REPOSITORY", "`owner/name`", fallback)
    token = wanted("GITHUB_TOKEN", TOKEN_HELP["github"])
    api = environ.get("GITHUB_API_URL") or PUBLIC_API["github"]
    return lambda: forge_of("github", repository, token, api)


def _gitlab(environ: Mapping[str, str], wanted: Callable[..., str]) -> Callable[[], Forge]:
    # A pipeline of a fork runs in the fork; the merge request is in the project that it wants to get into.
    project = wanted("CI_PROJECT_ID", "number or path", environ.get("CI_MERGE_REQUEST_PROJECT_ID", ""))
    project = environ.get("CI_MERGE_REQUEST_PROJECT_ID") or project
    token = wanted("GITLAB_TOKEN", TOKEN_HELP["gitlab"])
    api = environ.get("CI_API_V4_URL") or PUBLIC_API["gitlab"]
    return lambda: forge_of("gitlab", project, token, api)


def _azure_devops(_: Mapping[str, str], wanted: Callable[..., str]) -> Callable[[], Forge]:
    organization = wanted("SYSTEM_COLLECTIONURI", "`https://dev.azure.com/<organization>/`")
    project = wanted("SYSTEM_TEAMPROJECT", "name of the project")
    repository = wanted("BUILD_REPOSITORY_ID", "id or name of the repository")
    token = wanted("SYSTEM_ACCESSTOKEN", TOKEN_HELP["azuredevops"])
    return lambda: azure_devops(organization, project, repository, token)


def _number(name: ForgeName, environ: Mapping[str, str], event: Any) -> str:
    if name == "gitlab":
        return environ.get("CI_MERGE_REQUEST_IID", "")
    if name == "azuredevops":
        return environ.get("SYSTEM_PULLREQUEST_PULLREQUESTID", "")
    document = event if isinstance(event, dict) else {}
    for key in ("pull_request", "issue"):
        part = document.get(key)
        # An issue is a pull request only when it says so.
        if isinstance(part, dict) and (key != "issue" or "pull_request" in part):
            return str(part.get("number", ""))
    merge = re.fullmatch(r"refs/pull/([0-9]+)/(merge|head)", environ.get("GITHUB_REF", ""))
    return merge[1] if merge else environ.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "")
