"""From an environment of ``gitops.yaml`` to a connection: Azure through azure-identity, or the embedded Azure ML."""

from __future__ import annotations

import json
import os
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from reconciler.arm.client import Connection
from reconciler.domain import Target
from reconciler.errors import EmulatorError
from schemas.project import EmulatorTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from azure.core.credentials import AccessToken

    from schemas.project import AzureTarget, ProjectEnvironment

_LEADS_ELSEWHERE = re.compile(r".*_proxy$|AZURE_|PYTHON|.*_CA_BUNDLE$", re.IGNORECASE)
EMULATOR_POLL_INTERVAL_S = 0.05
AZURE_POLL_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where a cloud's Resource Manager, sign-in and Azure ML are (azure-ai-ml 1.35.2)."""

    resource_manager: str
    authority: str
    azure_ml: str


CLOUDS: Mapping[str, Cloud] = {
    "AzureCloud": Cloud("https://management.azure.com", "login.microsoftonline.com", "https://ml.azure.com"),
    "AzureChinaCloud": Cloud("https://management.chinacloudapi.cn", "login.chinacloudapi.cn", "https://ml.azure.cn"),
    "AzureUSGovernment": Cloud(
        "https://management.usgovcloudapi.net", "login.microsoftonline.us", "https://ml.azure.us"
    ),
}


def connection_to(environment: ProjectEnvironment, root: Path) -> Connection:
    """The connection of an environment. Raises EmulatorError when its emulator is not running."""
    target = environment.target
    if isinstance(target, EmulatorTarget):
        return _emulator((root / target.emulator).resolve(), environment)
    return _azure(target, environment)


def _azure(target: AzureTarget, environment: ProjectEnvironment) -> Connection:
    from azure.identity.aio import DefaultAzureCredential

    cloud = CLOUDS[target.cloud]
    return Connection(
        target=Target(target.subscription_id, target.resource_group, target.workspace, target.location),
        network=environment.network,
        base_url=cloud.resource_manager,
        scope=f"{cloud.resource_manager}/.default",
        credential=DefaultAzureCredential(authority=cloud.authority),
        poll_interval_s=AZURE_POLL_INTERVAL_S,
        cloud=target.cloud,
        authority=cloud.authority,
        scoring_scope=f"{cloud.azure_ml}/.default",
        trust_environment=True,
    )


def emulator_facts(folder: Path) -> Mapping[str, Any]:
    """What a running emulator tells of itself. Raises EmulatorError when there is none."""
    try:
        facts: Mapping[str, Any] = json.loads((folder / "connection.json").read_text())
        facts["url"], facts["ca"], facts["proxy"]
    except FileNotFoundError:
        raise EmulatorError(f"no emulator runs in {folder}; start one: aml-gitops emulator start") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "aml-gitops emulator start writes it anew"
        raise EmulatorError(f"{folder}/connection.json cannot be read ({error}); {hint}") from error
    return facts


def _emulator(folder: Path, environment: ProjectEnvironment) -> Connection:
    facts = emulator_facts(folder)
    tls = ssl.create_default_context(cafile=facts["ca"])
    return Connection(
        target=Target(facts["subscription_id"], facts["resource_group"], facts["workspace"], facts["location"]),
        network=environment.network,
        base_url=facts["url"],
        scope="https://management.azure.com/.default",
        credential=EmulatorCredential(facts, tls),
        tls=tls,
        poll_interval_s=EMULATOR_POLL_INTERVAL_S,
        unreachable_hint="is the emulator running? aml-gitops emulator start",
        busy_wait_s=0.5,
        retries=3,
        retry_backoff_s=0.1,
        sdk_environment=sdk_environment(facts),
    )


def sdk_environment(facts: Mapping[str, Any]) -> dict[str, str]:
    """The environment that leads unmodified Azure clients to the emulator, by Azure's own host names.

    The user's own proxies, Azure identity and Python settings would lead them elsewhere, so they are left out.
    """
    kept = {name: value for name, value in os.environ.items() if not _LEADS_ELSEWHERE.match(name)}
    return kept | {
        "HTTPS_PROXY": facts["proxy"],
        "REQUESTS_CA_BUNDLE": facts["ca"],
        "AZURE_TENANT_ID": facts["tenant_id"],
        "AZURE_CLIENT_ID": facts["client_id"],
        "AZURE_CLIENT_SECRET": facts["client_secret"],
    }


class EmulatorCredential:
    """Tokens from the emulator's own sign-in, which knows one client with a random secret."""

    def __init__(self, facts: Mapping[str, Any], tls: ssl.SSLContext) -> None:
        self._facts = facts
        self._tls = tls

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:  # noqa: D102 - azure-core's protocol
        import time

        import aiohttp
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

        form = {
            "grant_type": "client_credentials",
            "client_id": self._facts["client_id"],
            "client_secret": self._facts["client_secret"],
            "scope": " ".join(scopes),
        }
        url = f"{self._facts['url']}/{self._facts['tenant_id']}/oauth2/v2.0/token"
        try:
            async with aiohttp.ClientSession() as session, session.post(url, data=form, ssl=self._tls) as answer:
                if answer.status == 429 or answer.status >= 500:
                    raise ServiceRequestError(f"the emulator's sign-in answers {answer.status}")
                body = await answer.json()
        except aiohttp.ClientError as error:
            raise ServiceRequestError(f"the emulator does not answer: {error}") from error
        if "access_token" not in body:
            raise ClientAuthenticationError(str(body.get("error_description", body)))
        return AccessToken(body["access_token"], int(time.time()) + int(body["expires_in"]))

    async def close(self) -> None:  # noqa: D102 - azure-core's protocol
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return
