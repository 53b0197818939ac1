"""The whole life of an endpoint with the unmodified azure-ai-ml, as a user's script would do it.

Started by test_emulator_sdk.py in a process of its own: the SDK keeps its cloud, its headers and its proxies in
globals. Prints one JSON object: what each step saw.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path, connection: dict[str, str]) -> dict[str, object]:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
        Model,
    )
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
    from azure.identity import ClientSecretCredential

    seen: dict[str, object] = {}
    credential = ClientSecretCredential(connection["tenant_id"], connection["client_id"], connection["client_secret"])
    client = MLClient(
        credential,
        connection["subscription_id"],
        connection["resource_group"],
        connection["workspace"],
        polling_interval=1,
        enable_telemetry=False,
    )
    workspace = client.workspaces.get(connection["workspace"])
    seen["workspace"] = [workspace.public_network_access, workspace.managed_network.isolation_mode]

    endpoint = ManagedOnlineEndpoint(
        name="churn", auth_mode="key", public_network_access="disabled", tags={"team": "risk"}
    )
    made = client.online_endpoints.begin_create_or_update(endpoint).result()
    seen["endpoint"] = [made.provisioning_state, made.public_network_access, made.tags]

    model = Model(name="churn", version="1", path=folder / "model", type="mlflow_model")
    registered = client.models.create_or_update(model)
    seen["model"] = [registered.name, registered.version, sorted(registered.flavors), registered.path]
    again = client.models.create_or_update(Model(name="churn", version="2", path=folder / "model"))
    seen["model again"] = again.path == registered.path

    environment = client.environments.create_or_update(
        Environment(name="serving", version="3", image="acr.io/x@sha256:0", conda_file=folder / "conda.yml")
    )
    seen["environment"] = [environment.name, environment.version]

    def deployment(**changes: object) -> ManagedOnlineDeployment:
        return ManagedOnlineDeployment(
            name="blue",
            endpoint_name="churn",
            model="azureml:churn:1",
            environment="azureml:serving:3",
            code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
            instance_type="Standard_DS3_v2",
            instance_count=1,
            **changes,
        )

    blue = client.online_deployments.begin_create_or_update(deployment()).result()
    seen["deployment"] = [blue.provisioning_state, blue.egress_public_network_access]
    code = blue.code_configuration.code

    made.traffic = {"blue": 100}
    client.online_endpoints.begin_create_or_update(made).result()
    seen["traffic"] = client.online_endpoints.get("churn").traffic

    keys = client.online_endpoints.get_keys("churn")
    seen["keys"] = [len(keys.primary_key), keys.primary_key != keys.secondary_key]
    request = folder / "request.json"
    request.write_text('{"data": [1, 2]}')
    seen["answer"] = client.online_endpoints.invoke("churn", request_file=str(request))
    seen["pinned"] = client.online_endpoints.invoke("churn", request_file=str(request), deployment_name="blue")
    seen["logs"] = client.online_deployments.get_logs("blue", "churn", lines=20)

    client.online_endpoints.begin_regenerate_keys("churn", key_type="primary").result()
    rotated = client.online_endpoints.get_keys("churn")
    seen["rotated"] = [
        rotated.primary_key != keys.primary_key,
        rotated.secondary_key == keys.secondary_key,
    ]

    updated = client.online_deployments.begin_create_or_update(
        deployment(environment_variables={"GREETING": "hi"})
    ).result()
    seen["updated"] = [updated.environment_variables["GREETING"], updated.code_configuration.code == code]

    try:
        client.online_deployments.begin_create_or_update(
            deployment(environment_variables={"EMULATOR_FAIL_INIT": "no weights"})
        ).result()
    except HttpResponseError as error:
        seen["failed"] = [error.error.code, client.online_deployments.get("blue", "churn").provisioning_state]

    try:
        client.online_deployments.begin_delete("blue", "churn").result()
    except HttpResponseError as error:
        seen["weighted delete"] = error.status_code
    client.online_endpoints.begin_delete("churn").result()
    try:
        client.online_endpoints.get("churn")
    except ResourceNotFoundError as error:
        seen["gone"] = error.status_code
    return seen


if __name__ == "__main__":
    began = time.monotonic()
    known = json.loads(Path(sys.argv[2]).read_text())
    facts = main(Path(sys.argv[1]), known)
    facts["seconds"] = time.monotonic() - began
    Path(sys.argv[3]).write_text(json.dumps(facts))
