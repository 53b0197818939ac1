"""Which store a project gets, and under which name a process holds leases in it."""

import os
import re
import socket

import pytest
from pydantic import ValidationError

from reconciler.errors import UsageError
from reconciler.state.folder import FolderStore
from reconciler.state.opened import CONNECTION_STRING, authority_of, holder_name, open_store
from schemas.project import Project

CONTAINER = "https://acme.blob.core.windows.net/aml-gitops"
KEY = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"


def project(**fields):
    environment = {"target": {"emulator": ".emulator"}, "network": "managed_vnet"}
    return Project.model_validate({"project": "shop", "environments": {"prod": environment}, **fields})


async def test_a_folder_is_below_the_project(tmp_path):
    store = open_store(project(state={"folder": "kept/here"}), tmp_path, {})
    assert isinstance(store, FolderStore)
    await store.order("shop/prod", lambda _: {"*": "freeze"})
    assert (tmp_path / "kept" / "here" / "shop" / "prod" / "orders.json").exists()
    await store.close()


async def test_without_a_word_it_is_a_folder_of_the_project(tmp_path):
    store = open_store(project(), tmp_path, {CONNECTION_STRING: KEY})
    await store.order("shop/prod", lambda _: {})
    assert (tmp_path / ".aml-gitops" / "shop" / "prod").is_dir()


async def test_a_container_is_opened_with_the_identity_of_the_process(tmp_path):
    store = open_store(project(state={"container_url": CONTAINER}), tmp_path, {})
    assert type(store).__name__ == "BlobStore"
    assert type(store._credential).__name__ == "DefaultAzureCredential"
    await store.close()


async def test_a_connection_string_comes_before_the_identity_and_must_mean_the_same_container(tmp_path):
    store = open_store(project(state={"container_url": CONTAINER}), tmp_path, {CONNECTION_STRING: KEY})
    assert store._credential is None
    await store.close()
    other = KEY.replace("acme", "other")
    with pytest.raises(
        UsageError, match=r"leads to https://other\.blob\.core\.windows\.net/aml-gitops, but"
    ) as refused:
        open_store(project(state={"container_url": CONTAINER}), tmp_path, {CONNECTION_STRING: other})
    assert "c2VjcmV0" not in str(refused.value)


def test_a_token_is_not_sent_in_the_clear(tmp_path):
    plain = project(state={"container_url": "http://127.0.0.1:10000/devstoreaccount1/state"})
    with pytest.raises(
        UsageError, match=f"plain http; write https://, or give a connection string in {CONNECTION_STRING}"
    ):
        open_store(plain, tmp_path, {})


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        ("acme.blob.core.windows.net", "login.microsoftonline.com"),
        ("acme.blob.core.chinacloudapi.cn", "login.chinacloudapi.cn"),
        ("acme.blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
    ],
)
def test_each_cloud_has_its_own_sign_in(host, authority):
    assert authority_of(f"https://{host}/state") == authority


def test_a_holder_is_recognised_and_never_the_same_twice():
    assert re.fullmatch(rf"{re.escape(socket.gethostname())}:{os.getpid()}:[0-9a-f]{{6}}", holder_name())
    assert holder_name() != holder_name()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:9/state",
        "https://evilblob.core.windows.net.example/state",
        "https://acmeblob.core.windows.net.evil/state",
        "https://acme.blob.core.windows.net.evil.example/state",
        "https://evil.example/acme.blob.core.windows.net",
        "https://evil.example#.blob.core.windows.net/state",
        "https://evil.example?.blob.core.windows.net/state",
        "https://evil.example\\.blob.core.windows.net/state",
        "https://acme.blob.core.windows.net@evil.example/state",
        "https://acme.blob.core.windows.net:443@evil.example/state",
        "https://evilblob.core.windows.net/state",
        "https://blob.core.windows.net/state",
    ],
)
def test_a_token_is_only_sent_to_azure_storage(tmp_path, url):
    with pytest.raises((UsageError, ValidationError), match=r"only sent to Azure Storage|container_url"):
        open_store(project(state={"container_url": url}), tmp_path, {})


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.blob.core.windows.net/state",
        "https://ACME.Blob.Core.Windows.Net/state",
        "https://acme.privatelink.blob.core.windows.net/state",
        "https://acme.blob.core.chinacloudapi.cn/state",
        "https://acme.blob.core.usgovcloudapi.net/state",
    ],
)
async def test_azure_storage_of_each_cloud_gets_a_token(tmp_path, url):
    store = open_store(project(state={"container_url": url}), tmp_path, {})
    assert type(store._credential).__name__ == "DefaultAzureCredential"
    await store.close()
