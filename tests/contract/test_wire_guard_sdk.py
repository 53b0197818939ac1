"""The real SDK cannot open an endpoint through our pipeline policy."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from aml_emulator.dataplane.instant import InstantDataPlane
from aml_emulator.server import running
from aml_emulator.settings import INSTANT, Settings
from reconciler.connection import sdk_environment

SCRIPT = Path(__file__).with_name("guarded_sdk.py")


async def test_the_sdk_may_create_a_private_endpoint_and_never_an_open_one(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.pkl").write_text("x")
    folder = tmp_path / "emulator"
    settings = Settings(folder=folder, durations=INSTANT, retry_after_ms=20)
    async with running(folder, lambda _: InstantDataPlane(), settings) as (service, connection):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            str(tmp_path / "model"),
            env={**os.environ, **sdk_environment(asdict(connection)), "EMULATOR": json.dumps(asdict(connection))},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()[-3000:]
        (live,) = [record.body for record in service.site.store.all("endpoint")]
        deployments = service.site.store.all("deployment")
    seen = json.loads(out.decode().splitlines()[-1])
    assert "'enabled'" in seen["open"]
    assert "Azure's default is Enabled" in seen["left out"]
    assert seen["private"].endswith("Succeeded")
    assert seen["opened later"].startswith("refused")
    assert "does not apply" in seen["deployment"]
    assert live["properties"]["publicNetworkAccess"].lower() == "disabled"
    assert deployments == []
