"""The blob service: what is stored, who may, and that no name leads out of its folder."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from emulated import Cloud

from aml_emulator.shared_access import issue
from aml_emulator.wire import Request

PATHS = ("m/a.bin", "m/deep/b.bin", "m2/c.bin")


@pytest.fixture
async def cloud(tmp_path):
    return Cloud(tmp_path)


@pytest.fixture
async def container(cloud):
    """(URL of the workspace's container, SAS)."""
    store = (await cloud.get("datastores/workspaceblobstore"))["properties"]
    reply = await cloud.call("POST", "datastores/workspaceblobstore/listSecrets", {"expirableSecret": True})
    url = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    return url, reply.body["sasToken"]


async def test_emulator_blob_upload_has_the_recorded_answers(cloud, container):
    url, sas = container
    target = f"{url}/LocalUpload/h/model.pkl?{sas}"
    missing = await cloud.send("HEAD", target)
    assert (missing.status, missing.raw, missing.headers["x-ms-error-code"]) == (404, b"", "BlobNotFound")
    put = await cloud.send("PUT", target, b"hello world", If_None_Match="*", x_ms_blob_type="BlockBlob")
    assert put.status == 201
    assert put.headers["Content-MD5"] == "XrY7u+Ae7tCTyyK7j1rNww=="
    again = await cloud.send("PUT", target, b"other", If_None_Match="*", x_ms_blob_type="BlockBlob")
    assert (again.status, again.headers["x-ms-error-code"]) == (409, "BlobAlreadyExists")
    meta = await cloud.send("PUT", f"{target}&comp=metadata", x_ms_meta_upload_status="completed")
    assert meta.status == 200
    assert meta.headers["ETag"] != put.headers["ETag"]
    head = await cloud.send("HEAD", target)
    assert (head.status, head.raw) == (200, b"")
    assert head.headers["Content-Length"] == "11"
    assert head.headers["ETag"] == meta.headers["ETag"]
    assert head.headers["x-ms-meta-upload-status"] == "completed"
    assert head.headers["x-ms-blob-type"] == "BlockBlob"
    assert re.fullmatch(r'"0x[0-9A-F]{16}"', head.headers["ETag"])


async def test_emulator_blob_answers_a_range(cloud, container):
    url, sas = container
    await cloud.send("PUT", f"{url}/x?{sas}", b"0123456789")
    whole = await cloud.send("GET", f"{url}/x?{sas}")
    assert (whole.status, whole.raw) == (200, b"0123456789")
    for asked, raw, content_range in (
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
    ):
        part = await cloud.send("GET", f"{url}/x?{sas}", x_ms_range=asked)
        assert (part.status, part.raw, part.headers["Content-Range"]) == (206, raw, content_range)
    assert (await cloud.send("GET", f"{url}/x?{sas}", Range="bytes=10-")).status == 416


async def test_emulator_blob_is_put_together_from_blocks(cloud, container, tmp_path):
    url, sas = container
    names = [base64.b64encode(f"block-{n}".encode()).decode() for n in range(3)]
    for name in names:
        quoted = name.replace("=", "%3D")
        staged = await cloud.send("PUT", f"{url}/big?comp=block&blockid={quoted}&{sas}", name.encode())
        assert staged.status == 201
    assert (await cloud.send("HEAD", f"{url}/big?{sas}")).status == 404
    order = [names[2], names[0], names[1]]
    listing = "".join(f"<Latest>{name}</Latest>" for name in order)
    document = f"<?xml version='1.0'?><BlockList>{listing}</BlockList>".encode()
    done = await cloud.send("PUT", f"{url}/big?comp=blocklist&{sas}", document, x_ms_meta_a="b")
    assert done.status == 201
    got = await cloud.send("GET", f"{url}/big?{sas}")
    assert got.raw == "".join(order).encode()
    assert got.headers["Content-MD5"] == base64.b64encode(hashlib.md5(got.raw).digest()).decode()
    assert got.headers["x-ms-meta-a"] == "b"
    unknown = await cloud.send(
        "PUT", f"{url}/big?comp=blocklist&{sas}", b"<BlockList><Latest>eA==</Latest></BlockList>"
    )
    assert (unknown.status, unknown.headers["x-ms-error-code"]) == (400, "InvalidBlockList")
    assert [path.name for path in (tmp_path / "blobs").glob("block-*")] == []


async def test_emulator_blob_lists_by_prefix_in_pages(cloud, container):
    url, sas = container
    for path in PATHS:
        await cloud.send("PUT", f"{url}/{path}?{sas}", b"x")
    listing = f"{url}?restype=container&comp=list&{sas}"
    names = {
        query: re.findall(r"<Name>([^<]*)", (await cloud.send("GET", listing + query)).text)
        for query in ("", "&prefix=m/", "&prefix=m/&delimiter=/", "&maxresults=2", "&maxresults=2&marker=m/deep/b.bin")
    }
    assert list(names.values()) == [
        list(PATHS),
        ["m/a.bin", "m/deep/b.bin"],
        ["m/a.bin", "m/deep/"],
        ["m/a.bin", "m/deep/b.bin"],
        ["m2/c.bin"],
    ]
    assert "<NextMarker>m/deep/b.bin<" in (await cloud.send("GET", f"{listing}&maxresults=2")).text


async def test_emulator_blob_opens_only_to_what_this_emulator_issued(cloud, container):
    url, sas = container
    await cloud.send("PUT", f"{url}/x?{sas}", b"x")
    readable = await cloud.call("POST", "models/m/versions/1/startPendingUpload", {})
    upload = readable.body["blobReferenceForConsumption"]
    other_sas = upload["credential"]["sasUri"].partition("?")[2]
    account_name, container_name = url.removeprefix("https://").replace(".blob.core.windows.net/", " ").split()
    expired = issue(cloud.service.site.identity, account_name, container_name, "racwdl", -1)
    valid = issue(cloud.service.site.identity, account_name, container_name, "racwdl", 1)
    assert (await cloud.send("GET", f"{url}/x?{valid}")).status == 200
    altered = re.sub(r"se=\d{4}", "se=2199", sas)
    wider = sas.replace("sp=racwdl", "sp=racwdlx")
    for query in ("", "sig=made-up&se=2199-01-01T00:00:00Z&sp=r&sr=c&sv=1", altered, wider, other_sas, expired):
        assert (await cloud.send("GET", f"{url}/x?{query}")).status == 403, query
    assert (await cloud.send("GET", f"{url}/x?{sas}")).status == 200
    assert (await cloud.send("GET", f"{url}/x", Authorization=f"Bearer {cloud.token}")).status == 200
    assert (await cloud.send("GET", f"{url}/x", Authorization="Bearer forged")).status == 403
    for text in ("x", "SharedKey", "SharedKey x:y", f"SharedKey {account_name}:ü", "Basic eDp5", "Bearer", "bearer "):
        assert (await cloud.send("GET", f"{url}/x", Authorization=text)).status == 403, text
    for audience, status in (
        ("https://storage.azure.com/", 200),
        (f"https://{account_name}.blob.core.windows.net", 200),
        ("https://127.0.0.1:8443", 200),
        ("https://ml.azure.com", 403),
        ("https://graph.microsoft.com", 403),
        ("https://evil-storage.azure.com.example", 403),
        ("http://[", 403),
    ):
        token = cloud.service.site.identity.token(audience, 60)
        assert (await cloud.send("GET", f"{url}/x", Authorization=f"Bearer {token}")).status == status, audience
    assert (await cloud.send("DELETE", f"{upload['blobUri']}/x?{other_sas}")).status == 403
    assert (await cloud.send("PUT", f"{upload['blobUri']}/x?{other_sas}", b"x")).status == 201


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "%2e%2e/x", "a/%2e%2e%2fx", "a//b", "a/./b", "a%5Cb", "a%00b", "/x", "x" * 1025]
)
async def test_emulator_blob_names_stay_in_their_folder(cloud, container, tmp_path, name):
    url, sas = container
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    for comp in ("", "comp=block&blockid=eA%3D%3D&"):
        reply = await cloud.send("PUT", f"{url}/{name}?{comp}{sas}", b"x")
        assert (reply.status, reply.headers["x-ms-error-code"]) == (400, "InvalidResourceName")
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


async def test_emulator_blob_refuses_what_it_would_get_wrong(cloud, container):
    url, sas = container
    for query, headers, status in (
        ("comp=tags&", {}, 400),
        ("", {"x_ms_blob_type": "PageBlob"}, 400),
        ("", {"Content_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400),
    ):
        assert (await cloud.send("PUT", f"{url}/y?{query}{sas}", b"x", **headers)).status == status
    assert (await cloud.send("HEAD", f"{url}/y?{sas}")).status == 404
    unknown = url.rpartition("/")[0] + "/unknown"
    refused = await cloud.send("GET", f"{unknown}/x", Authorization=f"Bearer {cloud.token}")
    assert (refused.status, refused.headers["x-ms-error-code"]) == (404, "ContainerNotFound")


async def test_emulator_blob_keeps_nothing_of_a_cut_upload(cloud, container, tmp_path):
    url, sas = container

    async def cut():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await cloud.service.handle(Request("PUT", f"{url}/z?{sas}", {}, cut()))
    assert (await cloud.send("HEAD", f"{url}/z?{sas}")).status == 404
    assert list((tmp_path / "blobs").iterdir()) == []


async def test_emulator_hands_code_and_model_to_the_data_plane_as_folders(cloud, container, tmp_path):
    url, sas = container
    for path in ("up/model/a.pkl", "up/model/deep/b.pkl", "up/model-other/c.pkl", "up/one.pkl"):
        await cloud.send("PUT", f"{url}/{path}?{sas}", path.encode())
    pending = await cloud.call("POST", "codes/code/versions/1/startPendingUpload", {})
    upload = pending.body["blobReferenceForConsumption"]
    signature = upload["credential"]["sasUri"].partition("?")[2]
    await cloud.send("PUT", f"{upload['blobUri']}/src/score.py?{signature}", b"def run(): ...")
    await cloud.with_endpoint()
    await cloud.call("PUT", "codes/code/versions/1", {"properties": {"codeUri": f"{upload['blobUri']}/src"}})
    await cloud.call("PUT", "environments/env/versions/1", {"properties": {"image": "x:1"}})
    laid_out = {}
    for name, path in (("folder", "up/model"), ("file", "up/one.pkl")):
        uri = f"azureml://datastores/workspaceblobstore/paths/{path}"
        assert (await cloud.call("PUT", f"models/{name}/versions/7", {"properties": {"modelUri": uri}})).status == 201
        await cloud.with_deployment(name, model=f"azureml:{name}:7")
        spec = next(spec for spec in cloud.dataplane.running.values() if spec.deployment == name)
        assert (spec.code_dir / "score.py").read_text() == "def run(): ..."
        assert (spec.model_name, spec.model_version, spec.model_type) == (name, "7", "custom_model")
        assert spec.model_dir.parts[-2:] == (name, "7")
        laid_out[name] = {
            file.relative_to(spec.model_dir).as_posix(): file.read_text()
            for file in spec.model_dir.rglob("*")
            if file.is_file()
        }
    assert laid_out == {
        "folder": {"model/a.pkl": "up/model/a.pkl", "model/deep/b.pkl": "up/model/deep/b.pkl"},
        "file": {"one.pkl": "up/one.pkl"},
    }


async def test_emulator_keeps_registered_bytes_from_scripts(cloud, container):
    url, sas = container
    await cloud.send("PUT", f"{url}/up/model/a.pkl?{sas}", b"registered")
    await cloud.with_assets()
    await cloud.with_endpoint()
    uri = "azureml://datastores/workspaceblobstore/paths/up/model"
    await cloud.call("PUT", "models/m/versions/1", {"properties": {"modelUri": uri}})
    await cloud.with_deployment(model="azureml:m:1")
    (spec,) = cloud.dataplane.running.values()
    with (spec.model_dir / "model" / "a.pkl").open("r+b") as file:
        file.write(b"overwritten")
    assert (await cloud.send("GET", f"{url}/up/model/a.pkl?{sas}")).raw == b"registered"
