"""What lies below deploy/, read for the tests: its files, and pipelines as the forge would have put them together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
GITHUB = DEPLOY / "pipelines" / "github"
AZURE_DEVOPS = DEPLOY / "pipelines" / "azure-devops"
TEXTS = tuple(sorted(path for path in DEPLOY.rglob("*") if path.is_file() and "__pycache__" not in path.parts))
ENVIRONMENTS = ("dev", "test", "prod")

_PARAMETER = re.compile(r"\$\{\{ *parameters\.(\w+) *\}\}")


def document(path: Path) -> Any:
    """The one YAML document of a file."""
    return yaml.safe_load(path.read_text())


def github(name: str) -> dict[str, Any]:
    """A workflow or action. YAML 1.1 reads the key ``on`` as true."""
    found = document(GITHUB / name)
    return {"on" if key is True else key: value for key, value in found.items()}


def azure_pipeline() -> dict[str, Any]:
    """The Azure pipeline with its templates put in, as Azure DevOps expands them; of expressions only parameters."""
    top = document(AZURE_DEVOPS / "azure-pipelines.yml")
    defaults = {parameter["name"]: parameter["default"] for parameter in top.pop("parameters")}
    expanded: dict[str, Any] = _expanded(top, defaults)
    return expanded


def _expanded(value: Any, parameters: dict[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _PARAMETER.fullmatch(value)
        return parameters[whole[1]] if whole else _PARAMETER.sub(lambda found: str(parameters[found[1]]), value)
    if isinstance(value, dict):
        return {_expanded(key, parameters): _expanded(child, parameters) for key, child in value.items()}
    if isinstance(value, list):
        return [found for child in value for found in _items(child, parameters)]
    return value


def _items(child: Any, parameters: dict[str, Any]) -> list[Any]:
    """What an item of a list becomes: itself, or all items of the template that it names."""
    if not isinstance(child, dict) or "template" not in child:
        return [_expanded(child, parameters)]
    file = AZURE_DEVOPS / "templates" / Path(child["template"]).name
    template = document(file)
    declared = {parameter["name"] for parameter in template.pop("parameters", [])}
    given = _expanded(child.get("parameters", {}), parameters)
    assert set(given) == declared, f"{file.name} takes {sorted(declared)}, not {sorted(given)}"
    (items,) = template.values()
    found: list[Any] = _expanded(items, given)
    return found


def azure_jobs() -> dict[str, dict[str, Any]]:
    """Every job of the expanded pipeline, as ``stage/job``."""
    return {
        f"{stage['stage']}/{job.get('job') or job.get('deployment')}": job
        for stage in azure_pipeline()["stages"]
        for job in stage["jobs"]
    }


def azure_steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a job or deployment job."""
    found: list[dict[str, Any]] = job.get("steps") or job["strategy"]["runOnce"]["deploy"]["steps"]
    return found


def scripts(steps: list[dict[str, Any]]) -> dict[str, str]:
    """The shell scripts among steps, by the name that is shown."""
    found = {}
    for step in steps:
        script = step.get("run") or step.get("bash") or step.get("inputs", {}).get("inlineScript")
        if script:
            found[step.get("name") if "run" in step else step["displayName"]] = script
    return found
