"""Random desired against random live converges, or is refused and touches nothing; nothing public is ever sent."""

import asyncio
import json
import random
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st
from in_process import Cloud, Cut, Died, Faults, apply_of, plan_of, wanted_of
from worlds import complaints, everything, foreign, meddle, meddlings, projects, write

from reconciler.sync import propose

CONFIRMED = frozenset(f"{kind}/{name}" for kind in ("endpoint", "traffic") for name in ("alpha", "beta", "gamma"))
WRITES = ("PUT", "PATCH", "POST", "DELETE")


@contextmanager
def world():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        root.mkdir()
        with Cloud(Path(folder, "cloud")) as cloud:
            yield root, cloud


def traffic_watch(cloud):
    """Complains when a write gives weight to a deployment that has not Succeeded at that very moment."""

    def watch(method, url, body):
        found = re.search(r"/onlineEndpoints/([^/?]+)\?", url)
        if method != "PUT" or not found:
            return
        records = {
            record.name.lower(): record
            for record in cloud.service.site.store.all("deployment")
            if f"/onlineendpoints/{found[1].lower()}/" in record.id.lower()
        }
        live = next((r.body for r in cloud.service.site.store.all("endpoint") if r.name == found[1]), None)
        before = (live or {"properties": {"traffic": {}}})["properties"]["traffic"]
        for name, weight in (json.loads(body)["properties"].get("traffic") or {}).items():
            if weight and not before.get(name):
                assert records[name].body["properties"]["provisioningState"] == "Succeeded", (name, url)

    return watch


def public_bodies(sent):
    """Bodies on the wire that would open an endpoint, by a rule of the test's own."""
    return [
        url
        for method, url, body in sent
        if method == "PUT"
        and re.search(r"/onlineEndpoints/[^/?]+\?", url)
        and str(json.loads(body)["properties"].get("publicNetworkAccess")).lower() != "disabled"
    ]


async def refused(cloud, root):
    """Whether the plan is refused, for another reason than a confirmation that this test gives."""
    async with cloud.arm() as (arm, _):
        proposed = await propose(wanted_of(arm, root, confirmed=CONFIRMED), arm)
        return proposed.plan.refusals


@given(before=projects, meddling=meddlings, after=projects, cut=st.none() | st.integers(0, 60), lost=st.booleans())
def test_any_live_state_becomes_what_the_manifests_say(before, meddling, after, cut, lost):
    async def run(cloud):
        write(root, before)
        try:
            await apply_of(cloud, root, confirmed=CONFIRMED, cut=Cut(cut, lost), watch=traffic_watch(cloud))
        except Died:
            event("first apply was cut")
        await cloud.service.settle()
        for step in meddling:
            await meddle(cloud, step)
        theirs = await foreign(cloud)
        write(root, after)
        if await refused(cloud, root):
            event("refused")
            untouched = await everything(cloud)
            return theirs, await foreign(cloud), untouched, await everything(cloud), []
        report, transport = await apply_of(cloud, root, confirmed=CONFIRMED, watch=traffic_watch(cloud))
        assert report.ok, [o for o in report.outcomes if o.message]
        assert public_bodies(transport.sent) == []
        plan, second = await plan_of(cloud, root)
        assert plan.actions == ()
        assert not [method for method, _, _ in second.sent if method in WRITES]
        return theirs, await foreign(cloud), None, None, await complaints(cloud, after)

    with world() as (root, cloud):
        theirs, theirs_after, before_refusal, after_refusal, said = asyncio.run(run(cloud))
    assert theirs_after == theirs
    assert before_refusal == after_refusal
    assert said == []


@given(
    project=projects,
    faults=st.dictionaries(
        st.integers(0, 60), st.sampled_from(["throttle", "unavailable", "lost", "refused"]), max_size=8
    ),
)
def test_faults_only_delay(project, faults):
    async def run(cloud):
        write(root, project)
        _, transport = await apply_of(cloud, root, confirmed=CONFIRMED, faults=Faults(faults))
        assert public_bodies(transport.sent) == []
        await cloud.service.settle()
        report, _ = await apply_of(cloud, root, confirmed=CONFIRMED)
        assert report.ok
        return await complaints(cloud, project)

    with world() as (root, cloud):
        assert asyncio.run(run(cloud)) == []


@given(project=projects, seed=st.integers(0, 1000))
def test_the_order_of_manifests_never_matters(project, seed):
    async def run(cloud):
        write(root, project)
        first, _ = await plan_of(cloud, root)
        file = root / "base" / "all.yml"
        parts = file.read_text().split("---\n")
        random.Random(seed).shuffle(parts)
        file.write_text("---\n".join(parts))
        second, _ = await plan_of(cloud, root)
        return first, second

    with world() as (root, cloud):
        first, second = asyncio.run(run(cloud))
    assert [str(a.ref) for a in first.actions] == [str(a.ref) for a in second.actions]
    assert first.digest == second.digest
