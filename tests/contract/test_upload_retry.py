"""Bytes of code go to Azure Storage with the connection's own retries, not with the SDK's 15 seconds between tries."""

import time

from in_process import Cloud, DirectUploader, Faults

from reconciler.domain import Action, Ref, Upload, Verb
from reconciler.load.survey import content_hash

STORE_BLOB = 1  # Request 0 asks for a place, request 1 stores the only file there.


async def test_a_busy_storage_is_asked_again_after_the_backoff_of_the_connection(tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    (source / "score.py").write_text("def run(data): return data\n")
    upload = Upload("src", content_hash(source))
    action = Action(Verb.CREATE, Ref("code", "src", "1"), "new", body={"properties": {}}, upload=upload)
    faults = Faults({STORE_BLOB: "unavailable", STORE_BLOB + 1: "refused"})
    began = time.monotonic()
    with Cloud(tmp_path / "cloud") as cloud:
        async with cloud.arm(faults=faults) as (arm, transport):
            await DirectUploader(arm, tmp_path).register(action)
    addresses = [url.partition("?")[0] for _, url, _ in transport.sent]
    assert addresses.count(addresses[STORE_BLOB]) == 3
    assert addresses[STORE_BLOB].endswith("/score.py")
    assert time.monotonic() - began < 10  # The SDK's own backoff would make it 30 or more.
