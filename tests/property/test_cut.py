"""The client dies at every single request of an apply, before or after Azure acted: the next run finishes the work."""

import asyncio
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from builders import ALL, DEPLOYMENT, ENDPOINT
from in_process import Cloud, Cut, Died, apply_of, plan_of
from worlds import everything

CONFIRMED = frozenset({"endpoint/churn", "traffic/churn", "endpoint/old"})


def project(root, *texts):
    base = root / "base"
    (base / "src").mkdir(parents=True, exist_ok=True)
    (base / "model").mkdir(exist_ok=True)
    (root / "gitops.yaml").write_text(
        "project: shop\nenvironments:\n  test: {target: {emulator: .e}, network: managed_vnet, prune: true}\n"
    )
    (base / "src" / "score.py").write_text("def init(): pass\n")
    (base / "model" / "m.pkl").write_text("x")
    (base / "conda.yml").write_text("dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n")
    (base / "all.yml").write_text("---".join(texts))


VARYING = ("systemData", "AzureAsyncOperationUri", "identity", "AML_APP_ROOT")
CREATE = ((), ALL)
OLD = ENDPOINT.replace("name: churn", "name: old").replace("traffic: {blue: 100}", "")
GREEN = DEPLOYMENT.replace("name: blue", "name: green")
UPDATE = (
    (*ALL, OLD),
    (
        ALL[0].replace("version: 1", "version: 2"),
        ALL[1],
        ENDPOINT.replace("{blue: 100}", "{blue: 10, green: 90}").replace("auth_mode: key", "auth_mode: aad_token"),
        DEPLOYMENT.replace("MODE: fast", "MODE: slow").replace("churn:1", "churn:2"),
        GREEN.replace("churn:1", "churn:2"),
    ),
)


async def scenario(folder, before, after, cut):
    """Bring a fresh region to ``before``, die on the way to ``after``, and run again to the end."""
    root = folder / "project"
    root.mkdir()
    with Cloud(folder / "cloud") as cloud:
        return await story(cloud, root, before, after, cut)


async def story(cloud, root, before, after, cut):
    if before:
        project(root, *before)
        report, _ = await apply_of(cloud, root)
        assert report.ok
    project(root, *after)
    try:
        _, transport = await apply_of(cloud, root, confirmed=CONFIRMED, cut=cut)
        requests = len(transport.sent)
    except Died:
        requests = None
    await cloud.service.settle()
    report, _ = await apply_of(cloud, root, confirmed=CONFIRMED)
    assert report.ok, [(str(o.ref), o.message) for o in report.outcomes]
    plan, _ = await plan_of(cloud, root)
    assert [str(action.ref) for action in plan.actions] == []
    return requests, await everything(cloud), await assets(cloud)


async def assets(cloud):
    """Every asset version of the workspace."""
    found = []
    for kind in ("models", "environments", "codes"):
        for container in (await cloud.raw("GET", f"/{kind}"))[1]["value"]:
            versions = (await cloud.raw("GET", f"/{kind}/{container['name']}/versions"))[1]["value"]
            found += [f"{kind}/{container['name']}/{version['name']}" for version in versions]
    return sorted(found)


def essence(live):
    """What must come out the same, however the way there went: everything but times and operation ids."""

    def scrub(value):
        if isinstance(value, dict):
            return {k: scrub(v) for k, v in value.items() if k not in VARYING}
        return value

    return {path: scrub(body) for path, body in live.items()}


@pytest.mark.parametrize("change", [CREATE, UPDATE], ids=["create", "update"])
@pytest.mark.parametrize("lost", [False, True], ids=["before-azure-acts", "after-azure-acted"])
def test_an_apply_cut_at_every_request_is_finished_by_the_next(change, lost):
    def run(cut):
        folder = Path(tempfile.mkdtemp())
        try:
            return asyncio.run(scenario(folder, *change, cut))
        finally:
            shutil.rmtree(folder)

    requests, whole, whole_assets = run(Cut())
    assert requests > 25
    died = 0
    for number in range(requests):
        finished, live, found = run(Cut(number, lost))
        died += finished is None
        assert essence(live) == essence(whole), number
        assert found == whole_assets, number
    assert died > requests / 2
    assert not [a for a in whole_assets if re.search("churn/1$", a)] or change is CREATE
