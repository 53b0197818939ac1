"""Models and code go up once: through the real azure-ai-ml in its child process, and through the snapshot door."""

import asyncio
import hashlib
import ssl
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from azure.storage.blob.aio import ContainerClient

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.server import running
from aml_emulator.settings import INSTANT, Settings
from reconciler.arm.client import Connection, connect
from reconciler.arm.upload import Uploader
from reconciler.connection import EmulatorCredential, sdk_environment
from reconciler.domain import Action, Ref, Target, Upload, Verb
from reconciler.errors import ArmError
from reconciler.load.survey import content_hash

MEGABYTE = 1 << 20


@asynccontextmanager
async def session(folder):
    """A running emulator, our connection to it, and the blob requests it has seen."""
    settings = Settings(folder=folder, durations=INSTANT)
    async with running(folder, lambda _: InstantDataPlane(), settings) as (service, emulator):
        facts = asdict(emulator)
        tls = ssl.create_default_context(cafile=emulator.ca)
        connection = Connection(
            target=Target(emulator.subscription_id, emulator.resource_group, emulator.workspace, emulator.location),
            network="managed_vnet",
            base_url=emulator.url,
            scope="https://management.azure.com/.default",
            credential=EmulatorCredential(facts, tls),
            tls=tls,
            poll_interval_s=0.01,
            sdk_environment=sdk_environment(facts),
        )
        seen = []
        handle = service.handle

        async def watched(request):
            if "blob" in request.url or request.header("x-ms-blob-type"):
                seen.append((request.method, request.url))
            return await handle(request)

        service.handle = watched
        async with connect(connection) as arm:
            yield arm, seen


def create(kind, version, path, body):
    return Action(
        Verb.CREATE,
        Ref(kind, "churn", version),
        "new",
        body=body,
        upload=Upload(path.name, content_hash(path)),
    )


def model(version, path):
    return create(
        "model",
        version,
        path,
        {"properties": {"modelType": "custom_model", "description": "d", "tags": {"aml-gitops-owner": "shop/test"}}},
    )


def uploads(seen):
    return [url for method, url in seen if method == "PUT" and "comp=metadata" not in url]


async def test_a_model_goes_up_once_across_versions(tmp_path):
    folder = tmp_path / "churn-model"
    (folder / "inner").mkdir(parents=True)
    (folder / "m.pkl").write_bytes(b"x" * 1000)
    (folder / "inner" / "n.json").write_text("{}")
    async with session(tmp_path / "emulator") as (arm, seen), Uploader(arm, tmp_path) as uploader:
        first = await uploader.register(model("1", folder))
        assert len(uploads(seen)) == 2
        assert f"LocalUpload/{content_hash(folder)}/churn-model" in first["properties"]["modelUri"]
        assert first["properties"]["tags"] == {"aml-gitops-owner": "shop/test"}
        seen.clear()
        second = await uploader.register(model("2", folder))
        assert uploads(seen) == []
        assert second["properties"]["modelUri"] == first["properties"]["modelUri"]


async def test_an_upload_that_died_halfway_is_completed_and_not_registered_before(tmp_path):
    folder = tmp_path / "churn-model"
    folder.mkdir()
    for number in range(5):
        (folder / f"part{number}").write_bytes(bytes([number]) * 1000)
    async with session(tmp_path / "emulator") as (arm, seen):
        async with Uploader(arm, tmp_path) as uploader:
            task = asyncio.create_task(uploader.register(model("1", folder)))
            while not uploads(seen):
                await asyncio.sleep(0.01)
            uploader._worker.kill()
            with pytest.raises(ArmError, match="ended unexpectedly"):
                await task
        assert await arm.get("/models/churn/versions/1") is None
        async with Uploader(arm, tmp_path) as uploader:
            body = await uploader.register(model("1", folder))
        assert body["properties"]["provisioningState"] == "Succeeded"


async def test_files_that_a_dead_upload_left_behind_do_not_stop_the_next(tmp_path):
    folder = tmp_path / "churn-model"
    folder.mkdir()
    for number in range(3):
        (folder / f"part{number}").write_bytes(bytes([number]) * 1000)
    async with session(tmp_path / "emulator") as (arm, _), Uploader(arm, tmp_path) as uploader:
        store = (await arm.get("/datastores/workspaceblobstore"))["properties"]
        secret = (await arm.post("/datastores/workspaceblobstore/listSecrets"))["key"]
        container = ContainerClient(
            f"{arm.connection.base_url}/{store['accountName']}",
            store["containerName"],
            credential={"account_name": store["accountName"], "account_key": secret},
            transport=arm.transport,
        )
        await container.upload_blob(f"LocalUpload/{content_hash(folder)}/churn-model/part2", b"torn")
        body = await uploader.register(model("1", folder))
        assert body["properties"]["provisioningState"] == "Succeeded"
        stored = [file.read_bytes() for file in Path(tmp_path, "emulator").rglob("*") if file.is_file()]
        assert bytes([2]) * 1000 in stored


async def test_code_is_stored_whole_before_it_is_registered(tmp_path):
    folder = tmp_path / "src"
    (folder / "package").mkdir(parents=True)
    (folder / "score.py").write_text("def init(): pass\n")
    (folder / "package" / "data.bin").write_bytes(b"y" * 5000)
    body = {"properties": {"properties": {"hash_sha256": content_hash(folder), "hash_version": "202208"}}}
    async with session(tmp_path / "emulator") as (arm, seen), Uploader(arm, tmp_path) as uploader:
        live = await uploader.register(create("code", "abc", folder, body))
        assert live["properties"]["properties"]["hash_sha256"] == content_hash(folder)
        assert sorted(url.partition("?")[0].rpartition("/")[2] for url in uploads(seen)) == ["data.bin", "score.py"]
        stored = [file.read_bytes() for file in Path(tmp_path, "emulator").rglob("*") if file.is_file()]
        assert b"y" * 5000 in stored


async def test_bytes_that_changed_since_the_plan_are_not_uploaded(tmp_path):
    folder = tmp_path / "churn-model"
    folder.mkdir()
    (folder / "m.pkl").write_bytes(b"planned")
    action = model("1", folder)
    (folder / "m.pkl").write_bytes(b"edited")
    async with session(tmp_path / "emulator") as (arm, seen), Uploader(arm, tmp_path) as uploader:
        with pytest.raises(ArmError, match="changed since the plan"):
            await uploader.register(action)
        assert uploads(seen) == []


async def test_memory_does_not_grow_with_the_model(tmp_path):
    async def peak_of(size_bytes):
        folder = tmp_path / f"model{size_bytes}"
        folder.mkdir()
        with (folder / "weights.bin").open("wb") as file:
            block = hashlib.sha256(str(size_bytes).encode()).digest() * (MEGABYTE // 32)
            for _ in range(size_bytes // MEGABYTE):
                file.write(block)
        async with Uploader(arm, tmp_path) as uploader:
            await uploader.register(model(str(size_bytes), folder))
            status = Path(f"/proc/{uploader._worker.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    async with session(tmp_path / "emulator") as (arm, _):
        small, large = await peak_of(1 * MEGABYTE), await peak_of(192 * MEGABYTE)
    assert large - small < 96 * MEGABYTE


async def test_a_refusal_by_azure_is_told_in_its_own_words(tmp_path):
    folder = tmp_path / "churn-model"
    folder.mkdir()
    (folder / "m.pkl").write_bytes(b"x")
    other = tmp_path / "other-model"
    other.mkdir()
    (other / "m.pkl").write_bytes(b"y")
    async with session(tmp_path / "emulator") as (arm, _), Uploader(arm, tmp_path) as uploader:
        await uploader.register(model("1", folder))
        with pytest.raises(ArmError, match="Asset paths cannot be updated"):
            await uploader.register(model("1", other))
