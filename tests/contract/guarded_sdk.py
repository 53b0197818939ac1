"""The unmodified azure-ai-ml under the wire guard, trying to open what is private. Prints what became of each try.

Started by test_wire_guard_sdk.py in a process of its own, since the SDK keeps proxies and cloud in globals.
"""

import json
import os
import sys

from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.identity import EnvironmentCredential

from reconciler.arm.wire_guard import WireGuard
from reconciler.errors import PlanRefused


def main(folder):
    facts = json.loads(os.environ["EMULATOR"])
    client = MLClient(
        EnvironmentCredential(),
        facts["subscription_id"],
        facts["resource_group"],
        facts["workspace"],
        enable_telemetry=False,
        polling_interval=1,
        custom_hook_policy=WireGuard("managed_vnet"),
    )

    def attempt(action):
        try:
            return action().result().provisioning_state
        except PlanRefused as refused:
            return f"refused: {refused}"

    def endpoint(**changes):
        return ManagedOnlineEndpoint(name="door", auth_mode="key", **changes)

    put = client.online_endpoints.begin_create_or_update
    seen = {
        "open": attempt(lambda: put(endpoint(public_network_access="enabled"))),
        "left out": attempt(lambda: put(endpoint())),
        "private": attempt(lambda: put(endpoint(public_network_access="disabled"))),
        "opened later": attempt(lambda: put(endpoint(public_network_access="enabled"))),
    }
    model = client.models.create_or_update(Model(name="m", version="1", path=folder))
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="door",
        model=model.id,
        instance_type="Standard_DS3_v2",
        instance_count=1,
        egress_public_network_access="enabled",
    )
    seen["deployment"] = attempt(lambda: client.online_deployments.begin_create_or_update(deployment))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
