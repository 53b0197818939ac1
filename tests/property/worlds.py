"""Random projects, random things that other hands do to a workspace, and an oracle that knows nothing of the differ."""

import yaml
from hypothesis import strategies as st

ENDPOINTS = ("alpha", "beta", "gamma")
DEPLOYMENTS = ("blue", "green")
OWNER = "aml-gitops-owner"

GITOPS = """
project: shop
environments:
  test: {target: {emulator: .emulator}, network: managed_vnet, prune: true}
"""
CONDA = "dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n"
AUTH = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}

_deployment = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["fast", "slow"]),
        "count": st.integers(1, 3),
        "model": st.sampled_from(["1", "2"]),
        "code": st.sampled_from(["src", "src2"]),
        "timeout_ms": st.sampled_from([None, 5000, 90000]),
        "tags": st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["x", "y"]), max_size=2),
    }
)


@st.composite
def _endpoint(draw):
    deployments = draw(st.dictionaries(st.sampled_from(DEPLOYMENTS), _deployment, max_size=2))
    names = sorted(deployments)
    splits = [None, {}]
    if names:
        splits.append({names[0]: 100})
    if len(names) == 2:
        splits += [{names[0]: 90, names[1]: 10}, {names[0]: 0, names[1]: 100}]
    return {
        "auth": draw(st.sampled_from(sorted(AUTH))),
        "description": draw(st.sampled_from([None, "one", "two"])),
        "tags": draw(st.dictionaries(st.sampled_from(["team", "cost"]), st.sampled_from(["x", "y"]), max_size=2)),
        "traffic": draw(st.sampled_from(splits)),
        "deployments": deployments,
    }


projects = st.dictionaries(st.sampled_from(ENDPOINTS), _endpoint(), min_size=1, max_size=3)


def documents(project):
    """The manifests of a project, as a person would write them."""
    yield {"kind": "environment", "name": "sklearn", "version": "5", "image": "mcr.microsoft.com/x/y:1", "conda_file":
           "conda.yml"}  # fmt: skip
    for version in sorted({d["model"] for e in project.values() for d in e["deployments"].values()}):
        path = f"azureml://datastores/workspaceblobstore/paths/models/{version}"
        yield {"kind": "model", "name": "shared", "version": version, "type": "custom_model", "path": path}
    for name, endpoint in project.items():
        document = {
            "kind": "endpoint",
            "name": name,
            "auth_mode": endpoint["auth"],
            "public_network_access": "disabled",
            "tags": endpoint["tags"],
        }
        if endpoint["description"] is not None:
            document["description"] = endpoint["description"]
        if endpoint["traffic"] is not None:
            document["traffic"] = endpoint["traffic"]
        yield document
        for deployment, d in endpoint["deployments"].items():
            document = {
                "kind": "deployment",
                "name": deployment,
                "endpoint_name": name,
                "model": f"azureml:shared:{d['model']}",
                "environment": "azureml:sklearn:5",
                "code_configuration": {"code": d["code"], "scoring_script": "score.py"},
                "instance_type": "Standard_DS3_v2",
                "instance_count": d["count"],
                "environment_variables": {"MODE": d["mode"]},
                "tags": d["tags"],
            }
            if d["timeout_ms"] is not None:
                document["request_settings"] = {"request_timeout_ms": d["timeout_ms"]}
            yield document


def write(root, project):
    """Write the project folder."""
    base = root / "base"
    for folder, text in (("src", "def init(): pass\n"), ("src2", "def init(): return\n")):
        (base / folder).mkdir(parents=True, exist_ok=True)
        (base / folder / "score.py").write_text(text + "def run(data): return data\n")
    (root / "gitops.yaml").write_text(GITOPS)
    (base / "conda.yml").write_text(CONDA)
    (base / "all.yml").write_text(yaml.safe_dump_all(list(documents(project)), sort_keys=False))


# -- other hands -----------------------------------------------------------------------------------------------------

_hands = st.one_of(
    st.tuples(st.just("traffic"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("open"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("tag"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("auth"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("delete"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("scale"), st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS)),
    st.tuples(st.just("variable"), st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS)),
    st.tuples(st.just("break"), st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS)),
    st.tuples(st.just("foreign"), st.sampled_from(["theirs", "alpha", "beta"])),
    st.tuples(st.just("foreign-model"), st.sampled_from(["9"])),
)
meddlings = st.lists(_hands, max_size=4)


async def meddle(cloud, step):
    """Do one thing to the workspace as somebody else would; what is not there is left alone."""
    what, name, *rest = step
    path = f"/onlineEndpoints/{name}"
    if what == "foreign-model":
        uri = "azureml://datastores/workspaceblobstore/paths/theirs"
        await cloud.raw("PUT", f"/models/theirs/versions/{name}", {"properties": {"modelUri": uri}})
        return
    status, body = await cloud.raw("GET", path)
    if what == "foreign":
        if status == 404:
            await cloud.raw("PUT", path, _foreign())
        return
    if status != 200:
        return
    if rest:
        path += f"/deployments/{rest[0]}"
        status, body = await cloud.raw("GET", path)
        if status != 200:
            return
    if what == "delete":
        await cloud.raw("DELETE", path)
    elif what == "scale":
        await cloud.raw("PATCH", path, {"sku": {"name": "Default", "capacity": 7}})
    else:
        await cloud.raw("PUT", path, _changed(what, body))


def _foreign():
    return {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}}


def _changed(what, body):
    properties = body["properties"]
    for key in ("provisioningState", "scoringUri", "swaggerUri"):
        properties.pop(key, None)
    if what == "traffic":
        properties["traffic"] = {}
    elif what == "open":
        properties["publicNetworkAccess"] = "Enabled"
    elif what == "tag":
        # A tag that nobody's manifest ever named is not ours to remove; one that a manifest named is ours to restore.
        body["tags"] = {key: "pirates" if key == "team" else value for key, value in body["tags"].items()}
        body["tags"]["foreign"] = "kept"
    elif what == "auth":
        properties["authMode"] = "AADToken"
    elif what == "variable":
        properties["environmentVariables"] = {"MODE": "hacked", "EXTRA": "1"}
    elif what == "break":
        properties["environmentVariables"] = {"EMULATOR_FAIL_INIT": "out of luck"}
    return body


# -- the oracle ------------------------------------------------------------------------------------------------------

_INJECTED = {"AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "AML_APP_ROOT"}


async def everything(cloud):
    """All endpoints and deployments of the workspace: path to body."""
    found = {}
    for body in (await cloud.raw("GET", "/onlineEndpoints"))[1]["value"]:
        path = f"/onlineEndpoints/{body['name']}"
        found[path] = body
        for deployment in (await cloud.raw("GET", f"{path}/deployments"))[1]["value"]:
            found[f"{path}/deployments/{deployment['name']}"] = deployment
    return found


async def complaints(cloud, project):
    """Every way in which live is not what the project says; written against the manifests, not the differ."""
    live = await everything(cloud)
    said = []

    def expect(what, found, wanted):
        if found != wanted:
            said.append(f"{what}: {found!r}, not {wanted!r}")

    wanted_paths = set()
    for name, endpoint in project.items():
        path = f"/onlineEndpoints/{name}"
        wanted_paths.add(path)
        body = live.get(path)
        if body is None:
            said.append(f"{path} is missing")
            continue
        properties = body["properties"]
        expect(f"{path} state", properties["provisioningState"], "Succeeded")
        expect(f"{path} access", properties["publicNetworkAccess"].lower(), "disabled")
        expect(f"{path} auth", properties["authMode"], AUTH[endpoint["auth"]])
        expect(f"{path} description", properties["description"], endpoint["description"])
        tags = {k: v for k, v in body["tags"].items() if not k.startswith("aml-gitops") and k != "foreign"}
        expect(f"{path} tags", tags, endpoint["tags"])
        if endpoint["traffic"] is not None:
            weights = {key: weight for key, weight in endpoint["traffic"].items() if weight}
            expect(f"{path} traffic", {k: w for k, w in properties["traffic"].items() if w}, weights)
        for deployment, d in endpoint["deployments"].items():
            inner = f"{path}/deployments/{deployment}"
            wanted_paths.add(inner)
            found = live.get(inner)
            if found is None:
                said.append(f"{inner} is missing")
                continue
            p = found["properties"]
            expect(f"{inner} state", p["provisioningState"], "Succeeded")
            expect(f"{inner} count", found["sku"]["capacity"], d["count"])
            expect(f"{inner} model", p["model"].rpartition("/models/")[2], f"shared/versions/{d['model']}")
            variables = {key: value for key, value in p["environmentVariables"].items() if key not in _INJECTED}
            expect(f"{inner} variables", variables, {"MODE": d["mode"]})
            timeout = {None: "PT5S", 5000: "PT5S", 90000: "PT1M30S"}[d["timeout_ms"]]
            expect(f"{inner} timeout", p["requestSettings"]["requestTimeout"], timeout)
            tags = {key: value for key, value in found["tags"].items() if not key.startswith("aml-gitops")}
            expect(f"{inner} tags", tags, d["tags"])
    owned = {path for path, body in live.items() if body["tags"].get(OWNER) == "shop/test"}
    said += [f"{path} is ours and should be gone" for path in sorted(owned - wanted_paths)]
    return said


async def foreign(cloud):
    """What is not ours, as it is: it must come out of every run as it went in."""
    return {path: body for path, body in (await everything(cloud)).items() if OWNER not in body["tags"]}
