"""From a commit to an endpoint that answers, and back: one story in order, over the real command line."""

import json


def actions(plan):
    return [(action["verb"], action["resource"].partition(":")[0]) for action in plan["actions"]]


def test_the_whole_line(shop):
    revision = shop.git("rev-parse", "HEAD")
    assert "Valid" in shop.ok("validate")
    assert shop.run("plan", "-e", "local", "--detailed-exitcode").returncode == 2

    plan = shop.json("plan", "-e", "local")
    assert plan["version"] == 1
    assert plan["revision"] == revision
    assert plan["summary"]["create"] == 5
    assert actions(plan)[-1] == ("update", "traffic/adder")

    applied = shop.run("apply", "-e", "local", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "Applied: 5 created, 1 updated." in applied.stdout
    assert "ok deployment/adder/blue created" in applied.stderr

    assert shop.json("invoke", "-e", "local")["answers"][0]["body"] == [6]

    assert "Nothing to do: 6 resources" in shop.ok("plan", "-e", "local", "--detailed-exitcode")
    again = shop.json("apply", "-e", "local", "--yes")
    assert again["outcomes"] == []

    status = {row["resource"].partition(":")[0]: row for row in shop.json("status", "-e", "local")["resources"]}
    assert status["deployment/adder/blue"] | {"revision": revision} == {
        "resource": "deployment/adder/blue",
        "sync": "InSync",
        "health": "Ready",
        "revision": revision,
        "traffic": 100,
        "detail": "",
        "drift": [],
        "held": "",
        "last_error": "",
    }


def test_an_edited_line_is_that_line_in_the_plan_and_a_revert_brings_it_back(shop):
    shop.edit("base/deployment.yml", 'OFFSET: "0"', 'OFFSET: "10"')
    shop.commit("offset")
    plan = shop.json("plan", "-e", "local")
    assert actions(plan) == [("update", "deployment/adder/blue")]
    (change,) = plan["actions"][0]["changes"]
    assert change["path"] == "properties.environmentVariables.OFFSET"
    assert change["before"] == change["after"] == "(sensitive)"
    shop.ok("apply", "-e", "local", "--yes")
    wrong = shop.run("invoke", "-e", "local")
    assert wrong.returncode == 1
    assert "expected 6 within 1e-06, found 16" in wrong.stdout
    shop.git("revert", "--no-edit", "HEAD")
    shop.ok("apply", "-e", "local", "--yes")
    assert "as expected" in shop.ok("invoke", "-e", "local")


def test_changed_code_is_redeployed_and_unchanged_code_is_not(shop):
    shop.edit("base/src/score.py", "[sum(", "[1000 + sum(")
    shop.commit("code")
    plan = shop.json("plan", "-e", "local")
    assert actions(plan) == [("create", "code/shop"), ("update", "deployment/adder/blue")]
    shop.ok("apply", "-e", "local", "--yes")
    assert shop.json("invoke", "-e", "local", "adder", "--request", "base/sample.json")["answers"][0]["body"] == [1006]
    shop.git("revert", "--no-edit", "HEAD")
    plan = shop.json("plan", "-e", "local")
    assert actions(plan) == [("update", "deployment/adder/blue")]  # Those bytes are in the workspace already.
    shop.ok("apply", "-e", "local", "--yes")


def test_new_model_bytes_are_a_new_version_and_the_old_one_goes(shop):
    shop.write("base/model/base.json", "4")
    shop.commit("model")
    plan = shop.json("plan", "-e", "local")
    assert actions(plan) == [
        ("create", "model/numbers"),
        ("update", "deployment/adder/blue"),
        ("delete", "model/numbers"),
    ]
    shop.ok("apply", "-e", "local", "--yes")
    answer = shop.json("invoke", "-e", "local", "adder", "--request", "base/sample.json")["answers"][0]
    assert (answer["body"], answer["deployment"]) == ([7], "blue")
    shop.git("revert", "--no-edit", "HEAD")
    shop.ok("apply", "-e", "local", "--yes")


def test_a_saved_plan_is_applied_as_it_is_or_not_at_all(shop, tmp_path):
    file = str(tmp_path / "saved.plan")
    shop.edit("base/endpoint.yml", "auth_mode: key", "auth_mode: key\ntags: {team: one}")
    shop.commit("tag")
    shop.ok("plan", "-e", "local", "--out", file)
    shop.edit("base/endpoint.yml", "team: one", "team: two")
    shop.commit("tag again")
    stale = shop.run("apply", "-e", "local", file, "--yes")
    assert stale.returncode == 5
    assert "is stale" in stale.stderr
    shop.ok("plan", "-e", "local", "--out", file)
    assert "tags.team" in shop.ok("apply", "-e", "local", file, "--yes")
    assert shop.run("apply", "-e", "local", file, "--yes").returncode == 5  # Live has moved by now.


def test_a_broken_init_fails_with_its_traceback_keeps_serving_and_is_repaired(shop):
    shop.edit("base/src/score.py", "def init():", "def init():\n    raise RuntimeError('no such feature store')\n")
    shop.commit("broken")
    failed = shop.run("apply", "-e", "local", "--yes")
    assert failed.returncode == 1
    assert "no such feature store" in failed.stdout
    assert "ResourceNotReady" in failed.stdout
    status = {row["resource"]: row for row in shop.json("status", "-e", "local")["resources"]}
    assert status["deployment/adder/blue"]["health"] == "Failed"
    assert shop.json("invoke", "-e", "local")["answers"][0]["body"] == [6]  # The old code answers on.
    shop.git("revert", "--no-edit", "HEAD")
    shop.ok("apply", "-e", "local", "--yes")
    assert "Nothing to do" in shop.ok("plan", "-e", "local")


def test_blue_green_and_prune(shop):
    green = (shop.root / "base/deployment.yml").read_text().replace("name: blue", "name: green")
    shop.write("base/green.yml", green.replace('OFFSET: "0"', 'OFFSET: "100"'))
    shop.edit("base/endpoint.yml", "traffic: {blue: 100}", "traffic: {blue: 50, green: 50}")
    shop.commit("green")
    shop.ok("apply", "-e", "local", "--yes")
    ask = ("invoke", "-e", "local", "adder", "--request", "base/sample.json")
    assert shop.json(*ask, "--deployment", "green")["answers"][0]["body"] == [106]
    seen = {shop.json(*ask)["answers"][0]["deployment"] for _ in range(8)}
    assert seen == {"blue", "green"}
    (shop.root / "base/green.yml").unlink()
    shop.edit("base/endpoint.yml", "traffic: {blue: 50, green: 50}", "traffic: {blue: 100}")
    shop.commit("blue only")
    plan = shop.json("plan", "-e", "local")
    assert actions(plan) == [("update", "traffic/adder"), ("delete", "deployment/adder/green")]
    shop.ok("apply", "-e", "local", "--yes")
    assert "Nothing to do" in shop.ok("plan", "-e", "local")


def test_secret_values_are_in_no_output(shop, tmp_path):
    shop.edit("base/deployment.yml", "mark-3f9c-canary", "mark-7d21-canary")
    file = tmp_path / "plan.json"
    outputs = [file]
    for arguments in (
        ("plan", "-e", "local", "--out", str(file)),
        ("plan", "-e", "local", "-o", "json"),
        ("plan", "-e", "local", "-o", "markdown"),
        ("status", "-e", "local", "-o", "json"),
        ("apply", "-e", "local", "--yes", "--log-level", "debug"),
        ("invoke", "-e", "local", "--log-level", "debug"),
    ):
        done = shop.run(*arguments)
        assert done.returncode == 0
        outputs += [done.stdout, done.stderr]
    text = "".join(file.read_text() if output is file else output for output in outputs)
    assert "(sensitive)" in text
    facts = json.loads((shop.root / ".emulator/connection.json").read_text())
    for secret in ("canary", facts["client_secret"], "Bearer ", "sig="):
        assert secret not in text
    shop.git("checkout", "-q", ".")
    shop.ok("apply", "-e", "local", "--yes")


def test_deleting_an_endpoint_that_serves_needs_its_name(shop):
    for name in ("base/endpoint.yml", "base/deployment.yml"):
        shop.git("rm", "-q", name)
    shop.commit("gone")
    refused = shop.run("apply", "-e", "local", "--yes")
    assert refused.returncode == 3
    assert "apply --confirm endpoint/adder" in refused.stdout
    done = shop.run("apply", "-e", "local", "--yes", "--confirm", "endpoint/adder")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 deleted" in done.stdout
    assert "Nothing to do" in shop.ok("plan", "-e", "local")
