"""The worked example as `make demo` applies it: trained models, real processes, four private endpoints that answer."""

import shutil
import subprocess
import sys
from pathlib import Path

from shop import Shop

REPOSITORY = Path(__file__).parents[2]
CASES = ("churn", "diabetes-progression", "drinks-quality", "heart-risk")


def test_the_demo_from_yaml_to_four_answers_and_then_nothing(tmp_path):
    leave_out = shutil.ignore_patterns("models", ".emulator", "__pycache__")
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "repository" / "manifests", ignore=leave_out)
    demo = Shop(tmp_path / "repository" / "manifests")
    subprocess.run([sys.executable, str(demo.root / "train.py")], check=True, capture_output=True, env=demo.environ)
    assert "environments dev, local, prod, test, no findings" in demo.ok("validate")
    demo.ok("emulator", "start")
    try:
        applied = demo.ok("apply", "-e", "local", "--yes")
        assert "Applied: 16 created, 4 updated." in applied
        answers = demo.json("invoke", "-e", "local")["answers"]
        assert sorted(answer["endpoint"] for answer in answers) == list(CASES)
        assert all(answer["ok"] and answer["compared"] for answer in answers)
        assert next(a for a in answers if a["endpoint"] == "heart-risk")["body"] == [0, 0]
        assert demo.json("apply", "-e", "local", "--yes")["outcomes"] == []
        variables = demo.root / "gitops.yaml"
        variables.write_text(variables.read_text().replace("default: data-science", "default: platform"))
        plan = demo.json("plan", "-e", "local")
        assert {change["path"] for action in plan["actions"] for change in action["changes"]} == {"tags.team"}
        assert sorted(action["resource"] for action in plan["actions"]) == [f"endpoint/{case}" for case in CASES]
    finally:
        demo.ok("emulator", "stop")
