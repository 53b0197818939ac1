"""What keeps an apply from writing, or from writing all of it: windows, suspensions, selections, another at work."""

import fcntl
import json

ALWAYS = 'sync_windows: [{kind: deny, schedule: "* * * * *", duration_minutes: 5}]'


def edited(shop, value):
    shop.edit("base/deployment.yml", 'OFFSET: "0"', f'OFFSET: "{value}"')
    return shop.commit(f"offset {value}")


def restored(shop):
    shop.git("checkout", "-q", ".")
    shop.ok("apply", "-e", "local", "--yes")


def test_an_apply_in_a_closed_window_is_refused_unless_it_cannot_wait(shop):
    shop.ok("apply", "-e", "local", "--yes")
    shop.edit("gitops.yaml", "prune: true}", f"prune: true, {ALWAYS}}}")
    shop.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "1"')
    try:
        planned = shop.run("plan", "-e", "local")
        assert planned.returncode == 0
        assert "Nothing is written now: a deny window" in planned.stderr
        refused = shop.run("apply", "-e", "local", "--yes")
        assert refused.returncode == 3
        assert "a deny window" in refused.stderr
        assert shop.json("plan", "-e", "local")["summary"]["update"] == 1
        assert "1 updated" in shop.ok("apply", "-e", "local", "--yes", "--override")
    finally:
        restored(shop)


def test_an_apply_of_a_suspended_environment_is_refused(shop):
    shop.ok("suspend", "-e", "local", "--reason", "incident 4711")
    shop.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "1"')
    try:
        refused = shop.run("apply", "-e", "local", "--yes")
        assert refused.returncode == 3
        assert "incident 4711" in refused.stderr
        shop.ok("resume", "-e", "local")
        assert "1 updated" in shop.ok("apply", "-e", "local", "--yes")
    finally:
        shop.ok("resume", "-e", "local")
        restored(shop)


def test_a_selection_applies_what_it_names_and_what_that_needs(shop):
    shop.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "1"')
    shop.edit("base/endpoint.yml", "kind: endpoint", "kind: endpoint\ndescription: newer")
    try:
        plan = shop.json("plan", "-e", "local", "--select", "deployment/adder/blue")
        assert {action["resource"] for action in plan["actions"]} == {"deployment/adder/blue", "endpoint/adder"}
        plan = shop.json("plan", "-e", "local", "--select", "model/*")
        assert plan["actions"] == []
        assert "deployment/adder/blue" in plan["not_evaluated"]
        slip = shop.run("apply", "-e", "local", "--yes", "--select", "endpoint/addr")
        assert slip.returncode == 64
        assert "did you mean" in slip.stderr
    finally:
        restored(shop)


def test_a_plan_tells_what_it_cost_and_what_is_left(shop):
    shop.ok("apply", "-e", "local", "--yes")
    requests = shop.json("plan", "-e", "local")["requests"]
    assert requests["reads"] >= 4
    assert requests["writes"] == 0
    assert requests["remaining"]["reads"] > 0
    assert "Left of the subscription's budget:" in shop.run("plan", "-e", "local").stderr


def test_an_apply_waits_for_nobody_and_says_who_is_at_work(shop):
    shop.ok("apply", "-e", "local", "--yes")
    lease = shop.root / ".aml-gitops" / "shop" / "local" / "lease"
    with lease.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(json.dumps({"holder": "replica-7", "since": "2026-11-21T03:12:00+00:00"}))
        held.flush()
        refused = shop.run("apply", "-e", "local", "--yes")
        held.truncate(0)
    assert refused.returncode == 6
    assert "replica-7" in refused.stderr
    assert shop.git("status", "--porcelain") == ""


def test_what_an_apply_did_is_in_the_history_with_who_did_it(shop):
    edited(shop, 2)
    shop.ok("apply", "-e", "local", "--yes", GITHUB_ACTOR="ann")
    newest = json.loads(shop.ok("history", "-e", "local", "--limit", "1", "-o", "json"))
    assert (newest["actor"], newest["ok"], newest["revision"]) == ("ann", True, shop.git("rev-parse", "HEAD"))
    assert [outcome["resource"] for outcome in newest["outcomes"]] == ["deployment/adder/blue"]
