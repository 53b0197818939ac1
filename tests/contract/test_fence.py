"""No write leaves once the lease is gone: not from this process, not from the one that uploads, not on a retry."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from in_process import Cloud, Faults, Transport, connection_of

from reconciler.arm.client import connect
from reconciler.arm.fence import Fence
from reconciler.arm.upload_worker import _Gate
from reconciler.errors import LeaseLost, Superseded
from reconciler.state.clock import awake_and_asleep_s
from reconciler.state.fence import fence, set_fence

ENDPOINT = {
    "location": "westeurope",
    "identity": {"type": "SystemAssigned"},
    "properties": {"authMode": "Key", "publicNetworkAccess": "Disabled"},
}


@pytest.fixture
def cloud(tmp_path):
    with Cloud(tmp_path) as found:
        yield found


def lost():
    raise LeaseLost("another has it")


async def test_reads_pass_and_no_write_does(cloud):
    transport = Transport(cloud.service)
    async with connect(connection_of(cloud), transport=transport, fence=Fence(lost)) as arm:
        assert await arm.get("") is not None
        for call in (
            arm.put("/onlineEndpoints/churn", ENDPOINT),
            arm.patch("/onlineEndpoints/churn", {"tags": {}}),
            arm.delete("/onlineEndpoints/churn"),
            arm.post("/onlineEndpoints/churn/deployments/blue/getLogs"),
        ):
            with pytest.raises(LeaseLost):
                await call
    assert {method for method, _, _ in transport.sent} == {"GET"}


async def test_a_retry_is_a_write_of_its_own(cloud):
    """The first try is answered 503; by the second the lease is gone."""
    held = [True]
    transport = Transport(cloud.service, faults=Faults({0: "unavailable"}))
    transport.watch = lambda *_: held.clear()
    async with connect(connection_of(cloud), transport=transport, fence=Fence(lambda: None if held else lost())) as arm:
        with pytest.raises(LeaseLost):
            await arm.put("/onlineEndpoints/churn", ENDPOINT)
    assert [method for method, _, _ in transport.sent] == ["PUT"]


async def test_a_wait_that_is_left_ends_at_once_and_for_good(cloud):
    transport = Transport(cloud.service)
    async with connect(connection_of(cloud), transport=transport) as arm:
        arm.leave()
        with pytest.raises(Superseded):
            await arm.pause(3600)
        # Requests still go out: only waits end.
        assert await arm.get("") is not None


def asked(method):
    return SimpleNamespace(
        http_request=SimpleNamespace(method=method, url="https://x/workspaces/w/models/m", content=b"")
    )


def test_the_upload_process_asks_the_file_that_its_parent_keeps_in_step():
    with fence() as file:
        gate = _Gate({"network": "managed_vnet", "fence": str(file)})
        with pytest.raises(LeaseLost):
            gate.on_request(asked("PUT"))  # Not opened yet.
        set_fence(file, awake_and_asleep_s() + 60)
        gate.on_request(asked("PUT"))
        set_fence(file, awake_and_asleep_s() - 1)
        gate.on_request(asked("GET"))
        with pytest.raises(LeaseLost):
            gate.on_request(asked("PUT"))
        set_fence(file, awake_and_asleep_s() + 60)
    with pytest.raises(LeaseLost):
        gate.on_request(asked("PUT"))


def test_without_a_lease_there_is_no_fence():
    _Gate({"network": "managed_vnet", "fence": None}).on_request(asked("PUT"))


def test_what_killed_holders_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f"aml-gitops-fence-{gone.pid}-x").mkdir()
    (tmp_path / "aml-gitops-fence-notes-y").mkdir()
    with fence() as ours, fence():
        assert ours.parent.exists()
        assert len(list(tmp_path.iterdir())) == 3
    assert [left.name for left in tmp_path.iterdir()] == ["aml-gitops-fence-notes-y"]
