"""The account key opens the blobs of its account, as the storage SDK signs with it; nothing like a key does."""

from __future__ import annotations

import asyncio
import base64

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.storage.blob import ContainerClient as PlainContainerClient
from azure.storage.blob.aio import ContainerClient

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.server import running
from aml_emulator.settings import INSTANT, Settings
from aml_emulator.shared_key import account_key

HARD_NAMES = ("plain.bin", "with space/and ü.bin", "a+b=c&d~e'(f).bin")
SMALL = {"max_single_put_size": 64_000, "max_block_size": 64_000, "max_single_get_size": 100_000}


@pytest.fixture
async def served(tmp_path):
    """(the identity, the account's URL on loopback, account, container, options that trust the emulator)"""
    settings = Settings(folder=tmp_path, durations=INSTANT)
    async with running(tmp_path, lambda _: InstantDataPlane(), settings) as (service, connection):
        (store,) = service.site.store.all("datastore")
        properties = store.body["properties"]
        account, container = properties["accountName"], properties["containerName"]
        trust = {"connection_verify": connection.ca}
        yield service.site.identity, f"{connection.url}/{account}", connection.proxy, account, container, trust


def credential(account, key):
    return {"account_name": account, "account_key": key}


@pytest.mark.parametrize("through_proxy", [False, True])
async def test_emulator_checks_the_signature_that_the_storage_sdk_makes(served, through_proxy):
    identity, url, proxy, account, container, options = served
    if through_proxy:
        url, options = f"https://{account}.blob.core.windows.net", options | {"proxies": {"https": proxy}}
    key = account_key(identity, account)
    async with ContainerClient(url, container, credential=credential(account, key), **options, **SMALL) as client:
        for name in HARD_NAMES:
            for data in (b"small", b"x" * 150_000):
                metadata = {"upload_status": "completed", "upload2": "é".encode().hex(), "a": "b c"}
                await client.upload_blob(name, data, overwrite=True, metadata=metadata)
                blob = client.get_blob_client(name)
                assert (await blob.get_blob_properties()).metadata == metadata
                assert await (await blob.download_blob()).readall() == data
        assert [b.name async for b in client.list_blobs(name_starts_with="with space/")] == [HARD_NAMES[1]]
        await client.delete_blob(HARD_NAMES[0])


async def test_emulator_checks_the_signature_of_the_blocking_storage_sdk(served):
    identity, url, _, account, container, options = served

    def upload():
        key = credential(account, account_key(identity, account))
        with PlainContainerClient(url, container, credential=key, **options, **SMALL) as client:
            for name in HARD_NAMES:
                client.upload_blob(name, b"x" * 150_000)
                assert client.download_blob(name).readall() == b"x" * 150_000

    await asyncio.to_thread(upload)


async def test_emulator_refuses_another_key_and_another_accounts(served):
    identity, url, _, account, container, options = served
    for key in (base64.b64encode(b"made up" * 9).decode(), account_key(identity, "another")):
        async with ContainerClient(url, container, credential=credential(account, key), **options) as client:
            with pytest.raises(ClientAuthenticationError):
                await client.upload_blob("x", b"x")
