"""TLS: an authority of this folder's own, which can sign nothing more once the server has its certificate."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

AZURE_NAMES = (
    "management.azure.com",
    "login.microsoftonline.com",
    "login.windows.net",
    "*.blob.core.windows.net",
)


def server_context(folder: Path, location: str) -> ssl.SSLContext:
    """TLS context of the server. ``ca.pem`` and ``server.pem`` are made in ``folder`` the first time.

    The authority's private key is never written: a client that trusts ``ca.pem`` trusts this server, and no
    certificate that anybody could make later.
    """
    server = folder / "server.pem"
    if not server.is_file():
        _make(folder, location)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(server)
    return context


def client_context(folder: Path) -> ssl.SSLContext:
    """A context that trusts the emulator of this folder and nothing else."""
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))


def _make(folder: Path, location: str) -> None:
    import trustme  # cryptography is slow to import; a second start needs neither

    authority = trustme.CA(organization_name="aml_emulator")
    names = ("localhost", "127.0.0.1", *AZURE_NAMES, f"*.{location}.inference.ml.azure.com")
    certificate = authority.issue_cert(*names)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    descriptor = os.open(folder / "server.pem", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(certificate.private_key_and_cert_chain_pem.bytes())
