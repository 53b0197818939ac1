"""The sign-in side: cloud metadata, a token endpoint for client credentials, and the bearer check of ARM calls."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from aml_emulator.errors import Refused
from aml_emulator.tokens import bearer
from aml_emulator.wire import Body, Response, answer

if TYPE_CHECKING:
    from aml_emulator.call import Call

TOKEN_LIFETIME_S = 3599  # as Microsoft Entra answers for client credentials


async def metadata(call: Call) -> Response:
    """The cloud's metadata document: one object from api-version 2022-09-01 on, a list before.

    There is no DNS here for ``<account>.blob.<suffix>``. The storage suffix therefore moves that name into the user
    part of the URL, so that it leads back to this host; the container's name tells the account.
    """
    authority = call.request.authority()
    azure = urlsplit(authority).hostname == "management.azure.com"
    login = "https://login.microsoftonline.com" if azure else authority
    document: Body = {
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": f"{login}/",
            "audiences": [f"{authority}/", "https://management.core.windows.net/"],
            "tenant": call.site.identity.tenant_id,
            "identityProvider": "AAD",
        },
        "media": "https://rest.media.azure.net",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "name": "AzureCloud" if azure else "AmlEmulator",
        "suffixes": {
            "acrLoginServer": "azurecr.io",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "storage": "core.windows.net" if azure else f"core.emulator@{urlsplit(authority).netloc}",
        },
        "batch": "https://batch.core.windows.net/",
        "resourceManager": f"{authority}/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "gallery": "https://gallery.azure.com/",
    }
    old = call.request.query().get("api-version", "2022-09-01") < "2022"
    return answer(200, [document] if old else document)


async def openid_configuration(call: Call) -> Response:
    """Where this tenant's endpoints are."""
    authority = call.request.authority()
    tenant = call.path["tenant"]
    base = f"{authority}/{tenant}"
    return answer(
        200,
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "response_types_supported": ["code", "id_token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{authority}/{call.site.identity.tenant_id}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "tenant_region_scope": None,
            "cloud_instance_name": "microsoftonline.com",
        },
    )


async def instance_discovery(call: Call) -> Response:
    """Which hosts speak for the same cloud: the Azure name, and the host that was asked."""
    netloc = urlsplit(call.request.authority()).netloc
    tenant = call.site.identity.tenant_id
    hosts = list(dict.fromkeys([netloc, "login.microsoftonline.com"]))
    return answer(
        200,
        {
            "tenant_discovery_endpoint": f"https://{netloc}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": netloc, "preferred_cache": netloc, "aliases": hosts}],
        },
    )


async def token(call: Call) -> Response:
    """Client-credentials grant. The audience is the scope without ``/.default``."""
    identity = call.site.identity
    text = (await call.request.read()).decode("utf-8", "replace")
    form = {key: values[0] for key, values in parse_qs(text).items()}
    if call.path["tenant"].lower() not in (identity.tenant_id, "common", "organizations"):
        raise _oauth_error("invalid_request", 90002, f"Tenant '{call.path['tenant']}' not found.")
    if form.get("grant_type") != "client_credentials":
        raise _oauth_error("unsupported_grant_type", 70003, "Only client_credentials is supported here.")
    if form.get("client_id") != identity.client_id:
        raise _oauth_error("unauthorized_client", 700016, "Application was not found in the directory.")
    if not hmac.compare_digest(form.get("client_secret", "").encode(), identity.client_secret.encode()):
        raise _oauth_error("invalid_client", 7000215, "Invalid client secret provided.", status=401)
    audience = form.get("scope", "").split(" ")[0].removesuffix("/.default")
    issued = {
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME_S,
        "ext_expires_in": TOKEN_LIFETIME_S,
        "access_token": identity.token(audience, TOKEN_LIFETIME_S),
    }
    return answer(200, issued, {"Cache-Control": "no-store"})


class OAuthError(Refused):
    """A refusal in the shape of RFC 6749 instead of ARM's."""


def _oauth_error(error: str, number: int, description: str, status: int = 400) -> OAuthError:
    return OAuthError(status, error, f"AADSTS{number}: {description}", plain=True)


def oauth_envelope(refused: OAuthError) -> Body:
    """The body of a refused token request."""
    number = refused.message.partition(":")[0].removeprefix("AADSTS")
    return {"error": refused.code, "error_description": refused.message, "error_codes": [int(number)]}


def require_bearer(call: Call) -> None:
    """Raise Refused (401) unless the call carries a token that this emulator issued for ARM."""
    identity = call.site.identity
    login = "https://login.windows.net"
    challenge = f'Bearer authorization_uri="{login}/{identity.tenant_id}", error="invalid_token"'
    headers = {"WWW-Authenticate": challenge}
    authorization = call.request.header("Authorization")
    if not authorization:
        message = "Authentication failed. The 'Authorization' header is missing."
        raise Refused(401, "AuthenticationFailed", message, plain=True, headers=headers)
    claims = identity.claims(bearer(authorization))
    if claims is None:
        message = "The access token is invalid."
        raise Refused(401, "InvalidAuthenticationToken", message, plain=True, headers=headers)
    if "ml.azure.com" in str(claims["aud"]) or "storage.azure.com" in str(claims["aud"]):
        message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'."
        raise Refused(401, "InvalidAuthenticationTokenAudience", message, plain=True, headers=headers)
