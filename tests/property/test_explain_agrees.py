"""Whatever happened to a workspace: explain, status and plan say the same, and out of sync always has a cause.

The pain is argoproj/argo-cd#14666: an application that is OutOfSync without any difference to show.
"""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml
from hypothesis import event, given
from hypothesis import strategies as st
from in_process import Cloud, apply_of, wanted_of
from worlds import meddle, meddlings, projects, write

from reconciler.domain import Hold, Verb
from reconciler.explain import explain
from reconciler.status import standings
from reconciler.sync import propose

CONFIRMED = frozenset(f"{kind}/{name}" for kind in ("endpoint", "traffic") for name in ("alpha", "beta", "gamma"))

holds = st.lists(
    st.builds(Hold, st.sampled_from(["endpoint/alpha", "deployment/beta/blue", "traffic/*"]), st.just("incident")),
    max_size=1,
)


def held_refusals(plan):
    """Resources whose refusal is only a warning, since they are held back."""
    return {warning.resource for warning in plan.warnings if warning.rule == "held"}


def agree(resources, live, plan):
    rows = {row.resource: row for row in standings(resources, live, plan)}
    assert set(rows) == {str(resource.ref) for resource in resources}
    actions = {str(action.ref): action for action in plan.actions}
    drifts = {str(drift.ref): drift for drift in plan.drift}
    held = {str(entry.ref): entry for entry in plan.held}
    refused = {refusal.resource for refusal in plan.refusals}
    for resource in resources:
        name, row = str(resource.ref), rows[str(resource.ref)]
        found = explain(resource.ref, resources, live, plan)
        assert (found.sync, found.health) == (row.sync, row.health)
        differing = {state.path for state in found.differing}
        event(f"{row.sync}{' held' if row.held else ''}")

        clean = not {name} & {*actions, *drifts, *held, *refused, *held_refusals(plan)}
        assert (row.sync == "InSync") is (clean and resource.ref in plan.unchanged)
        if row.sync == "InSync":
            assert differing == set()
            assert found.causes == ()
            assert row.detail == ""
        else:
            assert differing or found.causes, f"{name} is {row.sync} for no cause"
            assert row.detail or row.drift
        if name in actions and actions[name].verb is not Verb.DELETE:
            assert differing == {change.path for change in actions[name].changes}
        if name in drifts:
            assert row.sync in ("Drift", "Refused")
            assert differing == {change.path for change in drifts[name].changes}
            assert set(row.drift) == differing
        if name in held:
            assert row.held in found.verdict
            assert differing or row.health != "Ready" or "is out of sync" in found.verdict
        assert str(resource.ref) in found.verdict
    for ref in set(live.resources) - {resource.ref for resource in resources}:
        found = explain(ref, resources, live, plan)
        deleted = str(ref) in actions or any(ref in action.children for action in plan.actions)
        assert (found.sync == "OutOfSync") is (deleted or str(ref) in held) or found.sync == "Refused"
        assert found.fields == ()


blocks = st.sampled_from([{}, {"drift": "report"}, {"ignore": ["tags.*"]}, {"protect": True}])


def write_with(root, project, block):
    """Write the project with a ``gitops:`` block in every endpoint and deployment."""
    write(root, project)
    file = root / "base" / "all.yml"
    documents = [
        {**document, "gitops": block} if block and document["kind"] in ("endpoint", "deployment") else document
        for document in yaml.safe_load_all(file.read_text())
    ]
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))


@given(before=projects, meddling=meddlings, after=st.none() | projects, block=blocks, held=holds)
def test_out_of_sync_always_has_a_cause_and_everybody_says_the_same(before, meddling, after, block, held):
    async def run(cloud, root):
        write_with(root, before, block)
        await apply_of(cloud, root, confirmed=CONFIRMED)
        await cloud.service.settle()
        for step in meddling:
            await meddle(cloud, step)
        write_with(root, before if after is None else after, block)
        async with cloud.arm() as (arm, _):
            wanted = wanted_of(arm, root, confirmed=CONFIRMED)
            wanted = replace(wanted, intent=replace(wanted.intent, held=tuple(held)))
            return wanted, await propose(wanted, arm)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        root.mkdir()
        with Cloud(Path(folder, "cloud")) as cloud:
            wanted, proposed = asyncio.run(run(cloud, root))
    agree(wanted.resources, proposed.live, proposed.plan)
