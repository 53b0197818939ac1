"""Random live workspaces as Azure may answer them: every field of every table, in spellings of Azure's own."""

import json

from builders import TARGET
from hypothesis import strategies as st
from round_trip import OURS, STORE, deployment, endpoint, environment, identity_of, model

from reconciler.domain import Live, Ref
from reconciler.kinds import KINDS
from reconciler.kinds.kind import arm_path, put

THEIRS = {"aml-gitops-owner": "another/prod"}
UAI = "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
ELSEWHERE = "azureml://locations/westeurope/workspaces/0f0f0f0f-0000-0000-0000-000000000000"
CONTEXT = "https://acme.blob.core.windows.net/c/LocalUpload/ab/"
ROUTES = ("liveness", "readiness", "scoring")

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
traps = st.sampled_from(
    ["1e3", "0o17", "0x1F", "1_000", "1.10", "yes", "null", "~", "12:30", "a: b", "- a", "#x", " x ", "x\ny\n",
     "x\n\n y", "{a", "[b", "'", '"', "$HOME/x", "<name>", "{{ x }}", "pwd=0123456789ab", "=", "<<", "!x", "&x", "*x",
     "\t", "\x85", "\u2028", "\ufeff", "\r\n", ""]
)  # fmt: skip
texts = words | traps
keys = st.one_of(
    words.filter(bool), st.sampled_from(["team", "DB_PASSWORD", "a.b", "x y", "k[0]", "1e3", "<<", "token."])
)
maps = st.none() | st.dictionaries(keys, st.none() | texts, max_size=4)
descriptions = st.none() | texts


@st.composite
def cased(draw, *spellings):
    """One of the words, in any casing."""
    word = draw(st.sampled_from(spellings))
    return draw(st.sampled_from([word, word.lower(), word.upper(), word.swapcase()]))


@st.composite
def durations(draw, least_ms=1, most_ms=180_000, unit_ms=1):
    """The same length of time in one of the ways that ISO 8601 has for it."""
    length = draw(st.integers(max(1, least_ms // unit_ms), most_ms // unit_ms)) * unit_ms
    seconds, rest = divmod(length, 1000)
    whole = f"PT{seconds}S" if not rest else f"PT{length / 1000:.3f}S"
    minutes, left = divmod(length, 60_000)
    split = f"P0DT0H{minutes}M{left / 1000:.3f}S"
    return draw(st.sampled_from([whole, split, f"PT{length / 1000:.3f}S"]))


counts = st.integers(1, 40)
switches = st.booleans()
rates = st.none() | st.sampled_from([0, 0.25, 1, 1.0])
_shared = {"tags": maps, "properties.description": descriptions, "properties.properties": maps}
_probe = {
    "initialDelay": durations(1000, 100_000, 1000),
    "period": durations(1000, 100_000, 1000),
    "timeout": durations(1000, 100_000, 1000),
    "successThreshold": counts,
    "failureThreshold": counts,
}


@st.composite
def collectors(draw):
    """A data collector with one rate, or one that no manifest can say."""
    rate = draw(rates)
    streams = {
        name: {
            "dataCollectionMode": draw(st.none() | cased("Enabled", "Disabled")),
            "samplingRate": draw(st.sampled_from([rate, rate, rate, 0.75])),
            "dataId": draw(
                st.sampled_from([None, f"{TARGET.scope}/data/d/versions/1", f"{ELSEWHERE}/data/d/versions/1"])
            ),
            "clientId": draw(st.none() | st.just("c")),
        }
        for name in draw(st.sets(st.sampled_from(["request", "response", "mine"]), max_size=2))
    }
    headers = draw(st.none() | st.lists(st.sampled_from(["x-a", "x-b"]), unique=True))
    return {
        "collections": streams,
        "rollingRate": draw(st.none() | cased("Minute", "Hour", "Day")),
        "requestLogging": draw(st.sampled_from([None, {"captureHeaders": headers}])),
    }


FIELDS = {
    "endpoint": {
        **_shared,
        "location": st.sampled_from(["westeurope", "West Europe", "eastus"]),
        "identity.type": cased("SystemAssigned", "UserAssigned"),
        "identity.userAssignedIdentities": st.sampled_from([{UAI + "One": {"clientId": "c"}}, {UAI + "one": None}]),
        "properties.authMode": st.none() | cased("Key", "AMLToken", "AADToken"),
        "properties.publicNetworkAccess": st.none() | cased("Enabled", "Disabled", "Disabled"),
    },
    "deployment": {
        **_shared,
        "location": st.sampled_from(["westeurope", "West Europe"]),
        "properties.endpointComputeType": cased("Managed"),
        "properties.model": st.just("model"),  # which of its spellings: in `workspaces`
        "properties.environmentId": st.just("environment"),
        "properties.codeConfiguration": st.just("code"),
        "properties.modelMountPath": st.none() | st.sampled_from(["/var/m", ""]),
        "properties.environmentVariables": maps,
        "properties.appInsightsEnabled": st.none() | switches,
        "properties.instanceType": cased("Standard_DS3_v2"),
        "sku.capacity": st.integers(1, 60),
        "sku.name": cased("Default"),
        "properties.scaleSettings.scaleType": st.none() | cased("Default"),
        "properties.requestSettings.requestTimeout": st.none() | durations(most_ms=300_000),
        "properties.requestSettings.maxConcurrentRequestsPerInstance": st.none() | counts,
        "properties.requestSettings.maxQueueWait": st.none() | durations() | st.sampled_from(["PT0S", "PT0.5S"]),
        **{f"properties.livenessProbe.{key}": st.none() | value for key, value in _probe.items()},
        **{f"properties.readinessProbe.{key}": value for key, value in _probe.items()},
        "properties.dataCollector": st.none() | collectors(),
        "properties.egressPublicNetworkAccess": st.none() | cased("Enabled", "Disabled"),
    },
    "model": {
        "properties.modelType": st.none() | cased("custom_model", "triton_model", "mlflow_model"),
        "properties.modelUri": st.sampled_from(
            [f"{STORE}/m/1", f"{STORE.replace('resourceGroups', 'resourcegroups')}/m/1/", f"{STORE}/LocalUpload/ab/m",
             f"{STORE}/ServiceReplicated/g/LocalUpload/ab/m", "azureml://jobs/j/outputs/artifacts/paths/m", "runs:/r/m"]
        ),
        "properties.description": descriptions,
        "properties.stage": st.none() | st.sampled_from(["Development", "Production", ""]),
        "properties.flavors": st.none() | st.dictionaries(
            keys, st.fixed_dictionaries({"data": st.dictionaries(keys, st.none() | texts, max_size=2)}), max_size=2
        ),
        "properties.properties": maps,
        "properties.tags": maps,
    },
    "environment": {
        "properties.image": st.sampled_from(["mcr.microsoft.com/a/b:1", "acme.azurecr.io/a@sha256:" + "0" * 64]),
        "properties.condaFile": st.sampled_from([None, "", "yaml: text"]) | st.builds(
            lambda more, indent: json.dumps({"dependencies": ["azureml-inference-server-http", more]}, indent=indent),
            texts.filter(bool), st.sampled_from([None, 2])),
        "properties.build": st.just(None) | st.builds(
            lambda end, file: {"contextUri": f"{CONTEXT}{end}", "dockerfilePath": file},
            st.sampled_from(["ctx", "ctx/"]), st.sampled_from([None, "Dockerfile", "d/File"])),
        "properties.osType": st.none() | cased("Linux", "Windows"),
        "properties.inferenceConfig": st.none() | st.just({}) | st.just(
            {f"{name}Route": {"path": f"/{name}", "port": 5001, "extra": None} for name in ROUTES}),
        "properties.description": descriptions,
        "properties.tags": maps,
    },
    "traffic": {
        "properties.traffic": st.just("in workspaces"),
        "properties.mirrorTraffic": st.just("in workspaces"),
    },
}  # fmt: skip
MAKE = {"endpoint": endpoint, "deployment": deployment, "model": model, "environment": environment}


@st.composite
def bodies(draw, ref):
    """A body of the kind with some of its fields as drawn, the rest as Azure fills them in."""
    body = {**MAKE[ref.kind](), **identity_of(ref)}
    fields = FIELDS[ref.kind]
    for arm in sorted(draw(st.sets(st.sampled_from(sorted(fields)), max_size=9))):
        put(body, arm, draw(fields[arm]))
    kind = KINDS[ref.kind]
    mark = draw(st.sampled_from([OURS, OURS, {}, {}, THEIRS]))
    *parents, last = kind.tags_at.split(".")
    holder = body[parents[0]] if parents else body
    holder[last] = {**(holder.get(last) or {}), **mark}
    if ref.kind == "endpoint" and "user" in str(body["identity"]["type"]).lower():
        body["identity"].setdefault("userAssignedIdentities", {UAI + "one": {}})
    elif ref.kind == "endpoint":
        body["identity"].pop("userAssignedIdentities", None)
    if ref.kind == "environment" and body["properties"].get("build"):
        body["properties"] |= {"image": None, "condaFile": None}
    return body


@st.composite
def workspaces(draw):
    """Endpoints with deployments, and the assets these use."""
    found = {}
    assets = [Ref("model", "Churn", "1"), Ref("model", "churn", "02"), Ref("environment", "sk", "1e3")]
    for ref in assets:
        found[ref] = draw(bodies(ref))
    code = Ref("code", "shop", "abc")
    found[code] = {**identity_of(code), "properties": {"codeUri": f"{STORE}/LocalUpload/abc/src"}}

    def spelled(ref):
        by_place = f"{ELSEWHERE}{arm_path(ref)}"
        return draw(st.sampled_from([TARGET.scope + arm_path(ref), (TARGET.scope).upper() + arm_path(ref), by_place]))

    for name in draw(st.sets(st.sampled_from(["alpha", "models"]), min_size=1)):
        names = sorted(draw(st.sets(st.sampled_from(["blue", "green", "endpoint"]), max_size=3)))
        ref = Ref("endpoint", name)
        found[ref] = draw(bodies(ref))
        for part in names:
            found[Ref("deployment", name, part)] = body = draw(bodies(Ref("deployment", name, part)))
            body["properties"] |= {
                "model": spelled(draw(st.sampled_from(assets[:2]))),
                "environmentId": spelled(assets[2]),
                "codeConfiguration": {"codeId": spelled(code), "scoringScript": "score.py"},
            }
        splits = [None, {}, dict.fromkeys(names, 0)]
        if names:
            splits.append({**dict.fromkeys(names[1:], 0), names[0].upper(): 100})
        if len(names) > 1:
            splits.append({names[0]: 10, names[1]: 90})
        found[ref]["properties"]["traffic"] = split = draw(st.sampled_from(splits))
        idle = [part for part in names if part not in {key.lower() for key, weight in (split or {}).items() if weight}]
        found[ref]["properties"]["mirrorTraffic"] = draw(st.sampled_from([None, {}, *({part: 20} for part in idle)]))
    return Live({"name": "ws", "properties": {}}, found)


DEFAULTS = st.fixed_dictionaries(
    {},
    optional={
        "endpoint": st.fixed_dictionaries(
            {},
            optional={
                "public_network_access": st.just("disabled"),
                "auth_mode": st.sampled_from(["key", "aad_token"]),
                "tags": st.just({"team": "risk"}),
                "description": st.just("ours"),
            },
        ),
        "deployment": st.fixed_dictionaries(
            {},
            optional={
                "instance_count": st.integers(1, 3),
                "request_settings": st.just({"request_timeout_ms": 9000}),
                "liveness_probe": st.just({"period": 30, "timeout": 5}),
                "environment_variables": st.just({"MODE": "fast"}),
                "tags": st.just({"team": "risk"}),
            },
        ),
    },
)  # fmt: skip
