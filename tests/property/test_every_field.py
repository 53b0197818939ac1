"""Every field of every kind, set, changed and removed on the emulator: one action each time, and nothing left to do."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from builders import ALL, DEPLOYMENT, ENDPOINT, ENVIRONMENT, MODEL
from in_process import Cloud, apply_of, plan_of
from test_cut import project

DEFAULT, AZURES, FIXED = "back to the default", "left to Azure", "immutable"

FIELDS = [
    (ENDPOINT, "description: {}", "one", "two", DEFAULT),
    (ENDPOINT, "tags: {{team: risk, more: {}}}", "x", "y", DEFAULT),
    (ENDPOINT, "properties: {{added: {}}}", "x", None, AZURES),
    (ENDPOINT, "mirror_traffic: {{green: {}}}", "5", "10", AZURES),
    (DEPLOYMENT, "description: {}", "one", "two", DEFAULT),
    (DEPLOYMENT, "tags: {{tier: {}}}", "x", "y", DEFAULT),
    (DEPLOYMENT, "properties: {{added: {}}}", "x", None, AZURES),
    (DEPLOYMENT, "model_mount_path: {}", "/one", "/two", DEFAULT),
    (DEPLOYMENT, "app_insights_enabled: {}", "true", None, DEFAULT),
    (DEPLOYMENT, "instance_count: {}", "2", "3", DEFAULT),
    (DEPLOYMENT, "scale_settings: {{type: {}}}", "default", None, AZURES),
    (DEPLOYMENT, "request_settings: {{request_timeout_ms: {}}}", "1500", "90000", DEFAULT),
    (DEPLOYMENT, "request_settings: {{max_concurrent_requests_per_instance: {}}}", "2", "3", DEFAULT),
    (DEPLOYMENT, "request_settings: {{max_queue_wait_ms: {}}}", "500", "700", AZURES),
    *(
        (DEPLOYMENT, f"{probe}: {{{{{key}: {{}}}}}}", "31", "32", DEFAULT)
        for probe in ("liveness_probe", "readiness_probe")
        for key in ("initial_delay", "period", "timeout", "failure_threshold")
    ),
    (DEPLOYMENT, "data_collector: {{collections: {{request: {{enabled: '{}'}}}}}}", "true", "false", DEFAULT),
    (DEPLOYMENT, "data_collector: {{rolling_rate: {}, collections: {{request: {{enabled: 'true'}}}}}}", "day", "minute",
     DEFAULT),
    (DEPLOYMENT, "instance_type: {}", "Standard_F4s_v2", "Standard_F2s_v2", FIXED),
    (MODEL, "description: {}", "one", "two", DEFAULT),
    (MODEL, "tags: {{team: {}}}", "x", "y", DEFAULT),
    (MODEL, "stage: {}", "Production", "Archived", AZURES),
    (MODEL, "type: {}", "triton_model", None, FIXED),
    (ENVIRONMENT, "description: {}", "one", "two", DEFAULT),
    (ENVIRONMENT, "tags: {{team: {}}}", "x", "y", DEFAULT),
    (ENVIRONMENT, "os_type: {}", "windows", None, FIXED),
    (ENVIRONMENT, "image: {}", "mcr.microsoft.com/x/y:2", "mcr.microsoft.com/x/y:3", FIXED),
]  # fmt: skip
GREEN = DEPLOYMENT.replace("name: blue", "name: green")


def manifests(kind, line):
    """The whole project, with one line of one kind's manifest replaced or added."""
    key = line.partition(":")[0]
    kept = [old for old in kind.splitlines() if not line or old.partition(":")[0] != key]
    changed = "\n".join([*kept, line]) + "\n"
    return [changed if text is kind else text for text in (*ALL, GREEN)]


@pytest.mark.parametrize(("kind", "line", "first", "second", "removal"), FIELDS, ids=lambda value: str(value)[:60])
def test_a_field_set_changed_and_removed_converges(kind, line, first, second, removal):
    async def story(cloud, root):
        project(root, *ALL, GREEN)
        await apply_of(cloud, root)
        for number, value in enumerate(filter(None, (first, second))):
            project(root, *manifests(kind, line.format(value)))
            plan, _ = await plan_of(cloud, root)
            if removal is FIXED:
                assert {refusal.rule for refusal in plan.refusals} == {"immutable"}
                continue
            expected = [] if value == "default" else [1]
            assert [1 for _ in plan.actions] == expected, (number, [str(a.ref) for a in plan.actions])
            await settled(cloud, root)
        project(root, *ALL, GREEN)
        plan, _ = await plan_of(cloud, root)
        assert bool(plan.actions) is (removal is DEFAULT)
        assert not plan.refusals
        await settled(cloud, root)

    async def settled(cloud, root):
        report, _ = await apply_of(cloud, root)
        assert report.ok, [(str(o.ref), o.message) for o in report.outcomes]
        plan, _ = await plan_of(cloud, root)
        assert plan.actions == plan.refusals == ()

    with tempfile.TemporaryDirectory() as folder, Cloud(Path(folder, "cloud")) as cloud:
        asyncio.run(story(cloud, Path(folder, "project")))
