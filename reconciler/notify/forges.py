"""GitHub, GitLab and Azure DevOps: where their APIs are, and how one signs in."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from reconciler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ForgeName = Literal["github", "gitlab", "azuredevops"]

TITLES: Mapping[ForgeName, str] = {"github": "GitHub", "gitlab": "GitLab", "azuredevops": "Azure DevOps"}
PUBLIC_API: Mapping[ForgeName, str] = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "azuredevops": "https://dev.azure.com",
}
_SHAPES: Mapping[ForgeName, str] = {
    "github": "owner/name",
    "gitlab": "the path of the project, such as group/name, or its number",
    "azuredevops": "organization/project/repository",
}
AZURE_DEVOPS_VERSION = "api-version=7.1"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Forge:
    """A repository on a forge. ``api`` is the root that calls of no repository go to, ``repository`` that of its own.

    Neither ends in a slash. For Azure DevOps ``api`` is the organization's address.
    """

    name: ForgeName
    api: str
    repository: str
    token: str = field(repr=False)

    @property
    def title(self) -> str:
        """Its name for people."""
        return TITLES[self.name]

    @property
    def authorization(self) -> str:
        """The Authorization header. Azure DevOps takes a personal token as a password, and an Entra token as it is."""
        if self.name == "azuredevops" and not self.token.startswith("eyJ"):
            return "Basic " + b64encode(f":{self.token}".encode()).decode()
        return f"Bearer {self.token}"

    @property
    def headers(self) -> Mapping[str, str]:
        """What else each call carries."""
        if self.name == "github":
            return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        return {"Accept": "application/json"}


def forge_of(name: ForgeName, repository: str, token: str, api_url: str | None = None) -> Forge:
    """The forge that settings name. Raises UsageError for a repository or an address that cannot be one."""
    parts = repository.strip("/").split("/")
    shape_is_right = {"github": len(parts) == 2, "gitlab": bool(parts[0]), "azuredevops": len(parts) == 3}[name]
    if not shape_is_right or not all(part and part not in (".", "..") for part in parts):
        raise UsageError(f"'{repository}' is no repository of {TITLES[name]}: write {_SHAPES[name]}")
    api = (api_url or PUBLIC_API[name]).rstrip("/")
    if name == "gitlab" and not api.endswith("/api/v4"):
        api += "/api/v4"
    if name == "azuredevops":
        api = f"{api}/{quote(parts[0], safe='')}"
        return azure_devops(api, parts[1], parts[2], token)
    _check(name, api, token)
    if name == "github":
        return Forge(name, api, f"{api}/repos/{quote(parts[0], safe='')}/{quote(parts[1], safe='')}", token)
    return Forge(name, api, f"{api}/projects/{quote('/'.join(parts), safe='')}", token)


def azure_devops(organization_url: str, project: str, repository: str, token: str) -> Forge:
    """A repository of Azure DevOps by the address of its organization, as pipelines know it. Raises UsageError."""
    api = organization_url.rstrip("/")
    _check("azuredevops", api, token)
    path = f"{quote(project, safe='')}/_apis/git/repositories/{quote(repository, safe='')}"
    return Forge("azuredevops", api, f"{api}/{path}", token)


def _check(name: ForgeName, api: str, token: str) -> None:
    if not secure(api):
        raise UsageError(
            f"the API of {TITLES[name]} must be an address that begins with https://, since a token goes there"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the token for {TITLES[name]} has characters in it that no token has, such as a line break")


def secure(url: str, *, plain_http: bool = False) -> bool:
    """Whether a secret may be sent there: https, or this machine itself; any http too with ``plain_http``."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (plain_http or host in _LOOPBACK))


def credentials_of(url: str) -> tuple[str, str]:
    """An address without its user and password, and these as an Authorization header (empty without them)."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, ""
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, "Basic " + b64encode(user.encode()).decode()
