"""Reads and long-running operations with the generated management client (2.0.0b2, api-version 2023-04-01).

Started by test_emulator_sdk.py in a process of its own. Prints what each step saw as one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(connection: dict[str, str]) -> dict[str, object]:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.identity import ClientSecretCredential
    from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient, models

    seen: dict[str, object] = {}
    credential = ClientSecretCredential(connection["tenant_id"], connection["client_id"], connection["client_secret"])
    client = MachineLearningServicesMgmtClient(credential, connection["subscription_id"], polling_interval=0.05)
    place = {"resource_group_name": connection["resource_group"], "workspace_name": connection["workspace"]}
    names = place | {"endpoint_name": "heart"}
    location = connection["location"]

    workspace = client.workspaces.get(**place)
    seen["workspace"] = [workspace.public_network_access, workspace.v1_legacy_mode]
    seen["datastore"] = client.datastores.list_secrets(**place, name="workspaceblobstore").secrets_type

    body = models.OnlineEndpoint(
        location=location,
        identity=models.ManagedServiceIdentity(type="SystemAssigned"),
        properties=models.OnlineEndpointProperties(auth_mode="Key", public_network_access="Disabled"),
    )
    made = client.online_endpoints.begin_create_or_update(**names, body=body).result()
    seen["endpoint"] = [made.properties.provisioning_state, made.properties.public_network_access]

    code = client.code_versions.create_or_update(
        name="c",
        version="1",
        **place,
        body=models.CodeVersion(properties=models.CodeVersionProperties(code_uri="https://x/y/z")),
    )
    environment = client.environment_versions.create_or_update(
        name="e",
        version="1",
        **place,
        body=models.EnvironmentVersion(properties=models.EnvironmentVersionProperties(image="acr.io/x:1")),
    )
    deployment = models.OnlineDeployment(
        location=location,
        sku=models.Sku(name="Default", capacity=1),
        properties=models.ManagedOnlineDeployment(
            code_configuration=models.CodeConfiguration(code_id=code.id, scoring_script="score.py"),
            environment_id=environment.id,
            instance_type="Standard_DS3_v2",
        ),
    )
    blue = names | {"deployment_name": "blue"}
    live = client.online_deployments.begin_create_or_update(**blue, body=deployment).result()
    seen["deployment"] = [live.properties.provisioning_state, str(live.properties.liveness_probe.period)]
    seen["skus"] = [item.sku.name for item in client.online_deployments.list_skus(**blue)]

    scaled = models.PartialMinimalTrackedResourceWithSku(sku=models.PartialSku(capacity=3), tags={"scaled": "yes"})
    client.online_deployments.begin_update(**blue, body=scaled).result()
    after = client.online_deployments.get(**blue)
    seen["scaled"] = [after.sku.capacity, after.tags]

    before = client.online_endpoints.list_keys(**names)
    client.online_endpoints.begin_regenerate_keys(
        **names, body=models.RegenerateEndpointKeysRequest(key_type="Secondary")
    ).result()
    rotated = client.online_endpoints.list_keys(**names)
    seen["rotated"] = [
        before.primary_key == rotated.primary_key,
        before.secondary_key != rotated.secondary_key,
    ]
    logs = client.online_deployments.get_logs(**blue, body=models.DeploymentLogsRequest(tail=10))
    seen["logs"] = logs.content

    patched = models.PartialMinimalTrackedResourceWithIdentity(tags={"owner": "git"})
    client.online_endpoints.begin_update(**names, body=patched).result()
    seen["tags"] = client.online_endpoints.get(**names).tags
    seen["listed"] = [
        [item.name for item in client.online_endpoints.list(**place)],
        [item.name for item in client.online_deployments.list(**names)],
    ]
    client.online_deployments.begin_delete(**blue).result()
    client.online_endpoints.begin_delete(**names).result()
    client.online_endpoints.begin_delete(**names).result()  # 204: it is gone already
    try:
        client.online_endpoints.get(**names)
    except ResourceNotFoundError as error:
        seen["gone"] = [error.status_code, error.error.code]
    return seen


if __name__ == "__main__":
    known = json.loads(Path(sys.argv[2]).read_text())
    Path(sys.argv[3]).write_text(json.dumps(main(known)))
