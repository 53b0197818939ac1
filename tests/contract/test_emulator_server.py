"""The emulator over real sockets, and as a program: TLS, the proxy, uploads, start, crash, stop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from azure.storage.blob.aio import BlobClient, ContainerClient

from aml_emulator.certificates import client_context
from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.folder import AlreadyRunning, Folder
from aml_emulator.server import running
from aml_emulator.settings import INSTANT, Settings

ARM = "https://management.azure.com"
SCORE = """
import json, os
from pathlib import Path
def init():
    global bias
    bias = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("bias.txt")).read_text())
def run(data):
    return {"sum": sum(json.loads(data)["data"]) + bias}
"""


@asynccontextmanager
async def served(folder):
    settings = Settings(folder=folder, durations=INSTANT)
    async with running(folder, lambda _: InstantDataPlane(), settings) as (service, connection):
        yield service, connection


class Client:
    """A plain HTTP client that knows connection.json and nothing else."""

    def __init__(self, folder):
        self.known = json.loads((folder / "connection.json").read_text())
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_context(folder)))

    async def __aenter__(self):
        k = self.known
        form = {
            "grant_type": "client_credentials",
            "client_id": k["client_id"],
            "client_secret": k["client_secret"],
            "scope": f"{k['url']}/.default",
        }
        async with self.session.post(f"{k['url']}/{k['tenant_id']}/oauth2/v2.0/token", data=form) as reply:
            self.token = (await reply.json())["access_token"]
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    def url(self, path, host=None):
        k = self.known
        return (
            f"{host or k['url']}/subscriptions/{k['subscription_id']}/resourceGroups/{k['resource_group']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{k['workspace']}/{path}?api-version=2024-04-01"
        )

    async def call(self, method, path, body=None, *, host=None, **options):
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, self.url(path, host), json=body, headers=headers, **options) as reply:
            raw = await reply.read()
            return reply.status, json.loads(raw) if raw else None

    async def until(self, path, state):
        async with asyncio.timeout(30):
            while (body := (await self.call("GET", path))[1])["properties"]["provisioningState"] != state:
                assert body["properties"]["provisioningState"] != "Failed", await self.call("POST", f"{path}/getLogs")
                await asyncio.sleep(0.02)

    async def score(self, name, data):
        _, keys = await self.call("POST", f"onlineEndpoints/{name}/listKeys")
        _, body = await self.call("GET", f"onlineEndpoints/{name}")
        headers = {"Authorization": f"Bearer {keys['primaryKey']}"}
        uri = body["properties"]["scoringUri"]
        async with self.session.post(uri, json={"data": data}, headers=headers) as reply:
            return reply.status, await reply.read()


def endpoint(**properties):
    return {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "publicNetworkAccess": "Disabled"} | properties,
    }


async def test_emulator_serves_only_with_tls_and_only_on_loopback(tmp_path):
    async with served(tmp_path) as (_, connection):
        assert connection.url.startswith("https://127.0.0.1:")
        assert connection.proxy.startswith("http://127.0.0.1:")
        async with Client(tmp_path) as client:
            status, body = await client.call("GET", "onlineEndpoints")
            assert (status, body) == (200, {"value": []})
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.call("GET", "x", host=connection.url.replace("https", "http"))
        async with aiohttp.ClientSession() as stranger:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await stranger.get(f"{connection.url}/metadata/endpoints")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(connection.url.rpartition(":")[2]))


async def test_emulator_secrets_are_for_their_owner_only(tmp_path):
    folder = tmp_path / "new"
    Folder(folder).prepare()
    async with served(folder):
        modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("connection.json", "server.pem")}
        assert modes == {"connection.json": 0o600, "server.pem": 0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        assert "PRIVATE KEY" not in (folder / "ca.pem").read_text()
        assert (folder / "server.pem").read_text().count("PRIVATE KEY") == 2


async def test_emulator_proxy_leads_azure_names_home_and_nothing_else(tmp_path):
    async with served(tmp_path) as (_, connection), Client(tmp_path) as client:
        through = {"proxy": connection.proxy}
        assert (await client.call("GET", "onlineEndpoints", host=ARM, **through))[0] == 200
        assert (await client.call("GET", "onlineEndpoints", **through))[0] == 200
        for host in ("https://example.com", "https://management.azure.com:8443", "https://127.0.0.1:1"):
            with pytest.raises(aiohttp.ClientHttpProxyError) as refused:
                await client.call("GET", "onlineEndpoints", host=host, **through)
            assert refused.value.status == 403
        reader, writer = await asyncio.open_connection("127.0.0.1", int(connection.proxy.rpartition(":")[2]))
        writer.write(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
        writer.close()


async def test_emulator_stores_what_the_storage_sdk_uploads_whole_in_blocks_or_in_ranges(tmp_path):
    data = os.urandom(300_000)
    async with served(tmp_path) as (_, connection), Client(tmp_path) as client:
        _, pending = await client.call("POST", "codes/c/versions/1/startPendingUpload", {})
        sas = pending["blobReferenceForConsumption"]["credential"]["sasUri"]
        assert sas.startswith(connection.url)
        trust = {"connection_verify": connection.ca}
        small = {
            "max_single_put_size": 64_000,
            "max_block_size": 64_000,
            "max_single_get_size": 100_000,
            "max_chunk_get_size": 100_000,
        }
        for name, limits in (("whole", {}), ("blocks", small)):
            async with BlobClient.from_blob_url(sas.replace("?", f"/{name}?"), **trust, **limits) as blob:
                await blob.upload_blob(data, metadata={"upload_status": "completed"})
                properties = await blob.get_blob_properties()
                assert (properties.size, properties.metadata) == (len(data), {"upload_status": "completed"})
                assert await (await blob.download_blob()).readall() == data
        async with ContainerClient.from_container_url(sas, **trust) as container:
            assert [item.name async for item in container.list_blobs()] == ["blocks", "whole"]


async def test_emulator_keeps_its_address_its_certificate_and_its_state(tmp_path):
    async with served(tmp_path) as (service, first), Client(tmp_path) as client:
        assert (await client.call("PUT", "onlineEndpoints/churn", endpoint()))[0] == 201
        await service.settle()
        with pytest.raises(AlreadyRunning):
            async with served(tmp_path):
                pass
    async with served(tmp_path) as (_, second), Client(tmp_path) as client:
        _, body = await client.call("GET", "onlineEndpoints/churn")
        assert body["properties"]["provisioningState"] == "Succeeded"
        assert body["properties"]["scoringUri"] == f"{second.url}/inference/westeurope/churn/score"
    assert second == first


async def test_emulator_answers_what_it_cannot_parse(tmp_path):
    async with served(tmp_path) as (_, connection):
        context = client_context(tmp_path)
        port = int(connection.url.rpartition(":")[2])
        for raw in (
            b"nonsense\r\n\r\n",
            b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET //// HTTP/1.1\r\nHost: [\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(raw)
            assert (await reader.readline()).split()[1] in (b"400", b"404")
            writer.close()


async def program(*arguments):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aml_emulator", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def json_of(*arguments):
    code, output, errors = await program(*arguments, "-o", "json")
    assert output, errors
    return code, json.loads(output)


def processes_naming(folder):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(command.replace(b"\0", b" ").decode())
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
async def test_emulator_program_starts_survives_a_crash_and_leaves_nothing_behind(short_folder):
    folder = short_folder / "state"
    assert await json_of("status", "--folder", folder) == (3, {"version": 1, "state": "not running"})
    quick = ("--endpoint-seconds", "0", "--update-seconds", "0")
    try:
        code, started = await json_of("start", "--folder", folder, *quick)
        assert (code, started["state"]) == (0, "started")
        assert "client_secret" not in started
        assert (folder / "emulator.log").stat().st_mode & 0o777 == 0o600
        assert "ready at https://" in (folder / "emulator.log").read_text()
        assert (await json_of("start", "--folder", folder))[1]["state"] == "already running"
        assert (await json_of("status", "--folder", folder)) == (0, started | {"state": "running"})
        async with Client(folder) as client:
            await deploy(client, folder)
            assert await client.score("adder", [1, 2]) == (200, b'{"sum": 42}')

        os.kill(started["pid"], 9)
        while (await json_of("status", "--folder", folder))[0] == 0:
            pass  # each look starts a program: that is wait enough
        code, again = await json_of("start", "--folder", folder)
        assert (code, again["state"], again["url"]) == (0, "started", started["url"])
        async with Client(folder) as client:
            assert await client.score("adder", [0]) == (200, b'{"sum": 39}')
        assert len(processes_naming(folder)) >= 2
    finally:
        code, _, errors = await program("stop", "--folder", folder)
    assert (code, errors) == (0, "")
    assert processes_naming(folder) == []
    assert (await json_of("stop", "--folder", folder))[1]["state"] == "not running"
    (folder / "mine.txt").write_text("not the emulator's")
    assert (await json_of("reset", "--folder", folder))[1]["state"] == "reset"
    assert sorted(path.name for path in folder.iterdir()) == [".aml-emulator", "mine.txt"]


async def deploy(client, folder):
    """Endpoint, uploaded model and code, deployment, traffic; over plain HTTP."""
    urls = {}
    for kind, file, text in (("codes", "src/score.py", SCORE), ("models", "weights/bias.txt", "39")):
        _, pending = await client.call("POST", f"{kind}/adder/versions/1/startPendingUpload", {})
        upload = pending["blobReferenceForConsumption"]
        sas = upload["credential"]["sasUri"].replace("?", f"/{file}?")
        headers = {"x-ms-blob-type": "BlockBlob"}
        async with client.session.put(sas, data=text.encode(), headers=headers) as reply:
            assert reply.status == 201
        urls[kind] = f"{upload['blobUri']}/{file.partition('/')[0]}"
    for path, properties in (
        ("codes/adder/versions/1", {"codeUri": urls["codes"]}),
        ("models/adder/versions/1", {"modelUri": urls["models"]}),
        ("environments/serve/versions/1", {"image": "acr.azurecr.io/serve:1"}),
    ):
        status, body = await client.call("PUT", path, {"properties": properties})
        assert status == 201, body
    assert (await client.call("PUT", "onlineEndpoints/adder", endpoint()))[0] == 201
    await client.until("onlineEndpoints/adder", "Succeeded")
    deployment = {
        "location": "westeurope",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "codeConfiguration": {"codeId": "azureml:adder:1", "scoringScript": "score.py"},
            "environmentId": "azureml:serve:1",
            "model": "azureml:adder:1",
            "readinessProbe": {"initialDelay": "PT0.1S", "period": "PT0.2S"},
            "requestSettings": {"requestTimeout": "PT20S"},
        },
    }
    path = "onlineEndpoints/adder/deployments/blue"
    status, body = await client.call("PUT", path, deployment)
    assert status == 201, body
    await client.until(path, "Succeeded")
    assert (await client.call("PUT", "onlineEndpoints/adder", endpoint(traffic={"blue": 100})))[0] == 201
    await client.until("onlineEndpoints/adder", "Succeeded")
