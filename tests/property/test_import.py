"""Any live workspace imports to manifests that plan to no field change; what stays to be said is in the notes."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st
from in_process import Cloud, apply_of, plan_of
from live_bodies import DEFAULTS, FIELDS, collectors, durations, workspaces
from round_trip import round_trip
from worlds import everything

from reconciler.importing import import_live
from reconciler.kinds import KINDS
from reconciler.kinds.kind import get


def test_the_random_worlds_have_every_field():
    drawn = {kind: set(fields) | ({"properties.properties"} & set(fields)) for kind, fields in FIELDS.items()}
    assert drawn == {kind.name: set(kind.by_arm) for kind in KINDS.values() if kind.name != "code"}


def opened(live, change):
    """Whether a change is the one that an import makes on purpose: it closes what is open."""
    verb, resource, path = change.split(" ", 2)
    if path != "properties.publicNetworkAccess":
        return False
    bodies = {str(ref): body for ref, body in live.resources.items()}
    return str(get(bodies[resource], path)).lower() != "disabled" and verb in ("update", "adopt")


@given(live=workspaces(), defaults=DEFAULTS)
def test_what_is_live_plans_to_nothing(live, defaults):
    trip = round_trip(live, defaults=defaults, adopt=True)
    assert trip.findings == ()
    assert trip.imported.missed == ()
    told = {(note.resource, note.message) for note in trip.imported.notes if note.rule == "default"}
    for change in trip.changes:
        _, resource, path = change.split(" ", 2)
        by_default = any(resource == about and path in message for about, message in told)
        assert by_default or opened(live, change), change
    assert set(trip.verbs) <= {"adopt", "update"}
    event(f"{len(trip.texts)} files")
    event(f"ignores {sum('ignore:' in text for text in trip.texts.values())}")


@given(live=workspaces())
def test_nothing_of_the_books_and_nothing_of_azures_own_is_written(live):
    for text in round_trip(live).texts.values():
        for word in ("aml-gitops-", "AzureAsyncOperationUri", "azureml.onlineendpointid", "provisioningState"):
            assert word not in text


# -- over the real line: requests, files, apply ----------------------------------------------------------------------

GITOPS = "project: shop\nenvironments:\n  test: {target: {emulator: .e}, network: managed_vnet, prune: true}\n"
_variables = st.dictionaries(
    st.sampled_from(["MODE", "DB_PASSWORD", "N"]), st.sampled_from(["canary-4711", "1e3", "x"])
)
_deployments = st.fixed_dictionaries(
    {
        "sku": st.builds(lambda count: {"name": "Default", "capacity": count}, st.integers(1, 50)),
        "tags": st.dictionaries(st.sampled_from(["team", "1e3"]), st.sampled_from(["x", "0o17"])),
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "description": st.sampled_from([None, "one", ""]),
                "environmentVariables": _variables,
                "properties": st.just({"cost": "12"}),
                "appInsightsEnabled": st.booleans(),
                "modelMountPath": st.just("/var/m"),
                "requestSettings": st.fixed_dictionaries(
                    {}, optional={"requestTimeout": durations(), "maxQueueWait": durations(),
                                  "maxConcurrentRequestsPerInstance": st.integers(1, 9)}
                ),
                "livenessProbe": st.fixed_dictionaries({}, optional={"period": durations(unit_ms=500)}),
                "dataCollector": st.none() | collectors(),
            },
        ),
    }
)  # fmt: skip
_endpoints = st.fixed_dictionaries(
    {"deployments": st.dictionaries(st.sampled_from(["blue", "green"]), _deployments, max_size=2)},
    optional={
        "authMode": st.sampled_from(["Key", "AMLToken", "AADToken"]),
        "publicNetworkAccess": st.sampled_from(["Enabled", "Disabled"]),
        "description": st.just("about it"),
        "properties": st.just({"cost": "12"}),
    },
)
PUBLIC = "properties.publicNetworkAccess"


async def made(cloud, endpoints):
    """Everything put there by another hand, with raw requests."""

    async def put(path, body):
        status, answer = await cloud.raw("PUT", path, body)
        assert status in (200, 201, 202), answer

    store = "azureml://datastores/workspaceblobstore/paths"
    await put("/models/m/versions/1", {"properties": {"modelUri": f"{store}/m/1"}})
    conda = "dependencies: [azureml-inference-server-http, '1e3']"
    await put("/environments/e/versions/1", {"properties": {"image": "mcr.microsoft.com/a/b:1", "condaFile": conda}})
    await put(
        "/codes/c/versions/1", {"properties": {"codeUri": "https://acme.blob.core.windows.net/c/LocalUpload/ab/src"}}
    )
    place, scope = {"location": cloud.target.location}, cloud.target.scope
    for name, endpoint in endpoints.items():
        more = {key: value for key, value in endpoint.items() if key != "deployments"}
        body = {**place, "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key", **more}}
        await put(f"/onlineEndpoints/{name}", body)
        for part, drawn in endpoint["deployments"].items():
            properties = {
                "endpointComputeType": "Managed",
                "instanceType": "Standard_DS3_v2",
                "model": f"{scope}/models/m/versions/1",
                "environmentId": f"{scope}/environments/e/versions/1",
                "codeConfiguration": {"codeId": f"{scope}/codes/c/versions/1", "scoringScript": "score.py"},
                **drawn["properties"],
            }
            await put(f"/onlineEndpoints/{name}/deployments/{part}", {**place, **drawn, "properties": properties})
        if endpoint["deployments"]:
            body["properties"]["traffic"] = {min(endpoint["deployments"]): 100}
            await put(f"/onlineEndpoints/{name}", body)


def essence(live):
    """Live without its books, and without what Azure writes anew each time."""
    return {
        path: {
            **{key: item for key, item in body.items() if key not in ("systemData", "tags", "properties")},
            "tags": {key: item for key, item in body["tags"].items() if not key.startswith("aml-gitops-")},
            "properties": {
                key: item
                for key, item in body["properties"].items()
                if key not in ("properties", "publicNetworkAccess")
            },
        }
        for path, body in live.items()
    }


@given(endpoints=st.dictionaries(st.sampled_from(["alpha", "beta"]), _endpoints, min_size=1, max_size=2))
def test_what_another_hand_made_is_imported_adopted_and_stays_as_it_is(endpoints):
    async def story(cloud, root):
        await made(cloud, endpoints)
        before = await everything(cloud)
        async with cloud.arm() as (arm, transport):
            done = await import_live(arm, root, "test", root / "base", adopt=True)
            assert {method for method, _, _ in transport.sent} == {"GET"}
        changed = [path for one in done.remaining for path in one.paths]
        open_before = [body for body in before.values() if body["properties"].get("publicNetworkAccess") == "Enabled"]
        assert changed == [PUBLIC] * len(open_before)
        assert (done.findings, done.imported.missed) == ((), ())
        plan, _ = await plan_of(cloud, root)
        assert not plan.refusals
        assert [c.path for action in plan.actions for c in action.changes] == changed
        report, _ = await apply_of(cloud, root)
        assert report.ok, [outcome.message for outcome in report.outcomes]
        after = await everything(cloud)
        assert essence(after) == essence(before)
        plan, _ = await plan_of(cloud, root)
        assert plan.actions == plan.refusals == ()
        assert all(body["tags"]["aml-gitops-owner"] == "shop/test" for body in after.values())
        for file in (root / "base").rglob("*.yml"):
            secret = any("canary" in line and "DB_PASSWORD" in line for line in file.read_text().splitlines())
            assert not secret, file

    with tempfile.TemporaryDirectory() as folder, Cloud(Path(folder, "cloud")) as cloud:
        root = Path(folder, "project")
        root.mkdir()
        (root / "gitops.yaml").write_text(GITOPS)
        asyncio.run(story(cloud, root))


def test_without_adopt_what_remains_is_said():
    async def story(cloud, root):
        await made(cloud, {"alpha": {"publicNetworkAccess": "Enabled", "deployments": {}}})
        async with cloud.arm() as (arm, _):
            return await import_live(arm, root, "test", root / "base")

    with tempfile.TemporaryDirectory() as folder, Cloud(Path(folder, "cloud")) as cloud:
        root = Path(folder, "project")
        root.mkdir()
        (root / "gitops.yaml").write_text(GITOPS)
        done = asyncio.run(story(cloud, root))
    assert done.after == "remains"
    assert [(one.resource, one.what) for one in done.remaining] == [("endpoint/alpha", "refused")]
