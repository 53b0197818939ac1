"""deploy/kubernetes: valid by Kubernetes' own schemas, and as strict as the product allows."""

from __future__ import annotations

import json

import kubernetes_validate
import pytest
from deployed import KUBERNETES, document

from reconciler.load.loop_file import load_loop

FILES = {
    path.stem: document(path)
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.stem not in ("kustomization", "loop")
}
KUSTOMIZATION = document(KUBERNETES / "kustomization.yaml")
POD = FILES["deployment"]["spec"]["template"]
SPEC = POD["spec"]
(CONTAINER,) = SPEC["containers"]
LABELS = {"app.kubernetes.io/name": "aml-gitops"}
PORT = next(port for port in CONTAINER["ports"] if port["name"] == "http")


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", FILES)
def test_a_file_fits_the_schema_of_its_kind(name, version):
    kubernetes_validate.validate(FILES[name], version, strict=True)


def test_the_schemas_would_see_a_wrong_field():
    wrong = json.loads(json.dumps(FILES["deployment"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readonlyRootFilesystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.30", strict=True)


def test_kustomize_takes_every_file():
    assert sorted(KUSTOMIZATION["resources"]) == sorted(f"{name}.yaml" for name in FILES)


def test_the_image_and_the_names_are_those_that_kustomize_replaces():
    assert [image["name"] for image in KUSTOMIZATION["images"]] == [CONTAINER["image"]]
    generated = [generator["name"] for generator in KUSTOMIZATION["configMapGenerator"]]
    assert generated == [volume["configMap"]["name"] for volume in SPEC["volumes"] if "configMap" in volume]


def test_there_are_two_replicas_that_never_go_at_once():
    assert FILES["deployment"]["spec"]["replicas"] == 2
    assert FILES["deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert FILES["poddisruptionbudget"]["spec"]["minAvailable"] == 1
    assert {spread["topologyKey"] for spread in SPEC["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname", "topology.kubernetes.io/zone",
    }  # fmt: skip


def test_everything_selects_the_pods_of_the_deployment():
    assert LABELS.items() <= POD["metadata"]["labels"].items()
    assert FILES["deployment"]["spec"]["selector"]["matchLabels"] == LABELS
    assert FILES["poddisruptionbudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert FILES["networkpolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    assert FILES["service"]["spec"]["selector"] == LABELS
    assert [spread["labelSelector"]["matchLabels"] for spread in SPEC["topologySpreadConstraints"]] == [LABELS] * 2


def test_the_pod_passes_the_restricted_standard():
    """What the namespace enforces: kubernetes.io/docs/concepts/security/pod-security-standards."""
    enforced = FILES["namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    pod, own = SPEC["securityContext"], CONTAINER["securityContext"]
    assert enforced == "restricted"
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] >= 10_000
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(SPEC)
    assert {next(iter(set(volume) - {"name"})) for volume in SPEC["volumes"]} <= {"configMap", "secret", "emptyDir"}


def test_it_writes_only_into_empty_folders():
    writable = {mount["name"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {volume["name"] for volume in SPEC["volumes"] if "emptyDir" in volume}
    paths = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    loop = load_loop(KUBERNETES / "loop.yaml")
    assert loop.folder.startswith(paths["work"])


def test_workload_identity_has_its_three_parts():
    account = FILES["serviceaccount"]
    assert "azure.workload.identity/client-id" in account["metadata"]["annotations"]
    assert POD["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert SPEC["serviceAccountName"] == account["metadata"]["name"]
    assert SPEC["automountServiceAccountToken"] is account["automountServiceAccountToken"] is False


def test_it_listens_on_the_address_of_the_pod_where_the_probes_and_the_service_ask():
    (of_pod,) = (entry["name"] for entry in CONTAINER["env"] if "valueFrom" in entry)
    assert CONTAINER["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    listen = CONTAINER["args"][CONTAINER["args"].index("--listen") + 1]
    assert listen == f"$({of_pod}):{PORT['containerPort']}"
    assert FILES["service"]["spec"]["ports"][0]["targetPort"] == PORT["name"]
    assert FILES["networkpolicy"]["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": PORT["name"]}]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert CONTAINER[probe]["httpGet"]["port"] == PORT["name"]


def test_the_network_is_closed_but_for_names_and_https():
    policy = FILES["networkpolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule.get("from") for rule in policy["ingress"])
    assert {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]} == {
        ("UDP", 53), ("TCP", 53), ("TCP", 443),
    }  # fmt: skip
    assert all(rule.get("to") for rule in policy["egress"] if rule["ports"][0]["port"] == 53)


def test_secrets_are_references_to_what_is_mounted():
    loop = load_loop(KUBERNETES / "loop.yaml")
    (place,) = (mount["mountPath"] for mount in CONTAINER["volumeMounts"] if mount["name"] == "secrets")
    named = [loop.source.token, loop.webhooks.github, *(told.url for told in loop.notifications)]
    assert all(secret.file.startswith(f"{place}/") for secret in named)
    assert "Secret" not in {body["kind"] for body in FILES.values()}


def test_a_rollout_has_time_for_a_safe_point():
    """More than any single request to Azure may take with its retries; see docs/operations.md, timeouts."""
    assert SPEC["terminationGracePeriodSeconds"] >= 300
