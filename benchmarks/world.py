"""A project of any size, in the shape that teams have: one YAML file per endpoint and all its deployments.

Azure allows 20 deployments per endpoint (learn.microsoft.com/azure/machine-learning/how-to-manage-quotas), so every
endpoint here has 20, and traffic on two of them. Its default quota of endpoints and deployments per region is far
below 10,000 resources; the largest size is a question of scaling, not a picture of one workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENVIRONMENT = "bench"
EMULATOR, REGIONS, STATE = ".emulator", ".regions", ".state"
DEPLOYMENTS_PER_ENDPOINT = 20
MODEL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of each; what a plan counts is ``resources``."""

    endpoints: int
    models: int
    environments: int
    codes: int

    @property
    def resources(self) -> int:
        """Endpoints, their traffic, their deployments, and all assets."""
        return self.endpoints * (2 + DEPLOYMENTS_PER_ENDPOINT) + self.models + self.environments + self.codes

    def __str__(self) -> str:
        return (
            f"{self.endpoints} endpoints with traffic and {DEPLOYMENTS_PER_ENDPOINT} deployments each, "
            f"one file per endpoint; {self.models} models, {self.environments} environments, {self.codes} code folders"
        )


THOUSAND = Shape(endpoints=45, models=4, environments=4, codes=2)
TEN_THOUSAND = Shape(endpoints=450, models=40, environments=40, codes=20)

PROJECT = """\
project: bench
state: {{folder: "{state}"}}
manifests: [base]
overlays: overlays
defaults:
  endpoint:
    public_network_access: disabled
    tags: {{team: "${{{{ var.team }}}}"}}
variables:
  team: {{type: string, default: data-science}}
  place: {{type: string}}
environments:
"""
PLACE = """\
  {environment}:
    target: {{emulator: "{folder}"}}
    network: managed_vnet
    prune: true
    variables: {{place: {environment}}}
"""
ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: {endpoint}
description: Scores of {endpoint} for the nightly run and the web shop.
auth_mode: key
traffic: {{d01: 90, d02: 10}}
tags: {{cost-centre: "4711", tier: gold}}
"""
DEPLOYMENT = """\
---
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {deployment}
endpoint_name: {endpoint}
model: azureml:{model}
environment: azureml:{environment}
code_configuration:
  code: ../code/{code}
  scoring_script: score.py
instance_type: Standard_DS3_v2
instance_count: 1
environment_variables:
  MODE: fast
  LOG_LEVEL: INFO
request_settings:
  request_timeout_ms: 10000
  max_concurrent_requests_per_instance: 4
readiness_probe:
  initial_delay: 10
  period: 10
tags: {{tier: gold}}
"""
OVERLAY = """\
---
kind: deployment
name: d01
endpoint_name: {endpoint}
instance_count: 3
"""
MODEL = """\
$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
name: {model}
type: custom_model
path: ../../models/{model}
"""
SERVING = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: {environment}
image: mcr.microsoft.com/azureml/minimal-py312-inference:20260101.v1
conda_file: ../conda.yml
tags: {{number: "{number}"}}
"""
CONDA = """\
name: serving
channels: [conda-forge]
dependencies:
  - python=3.12
  - pip:
      - azureml-inference-server-http==1.5.1
      - scikit-learn==1.9.1
"""
SCORE = """\
# Scoring code number {number}.
def init():
    pass


def run(data):
    return data
"""
CHANGED = ("MODE: fast", "MODE: exact")


def write(root: Path, shape: Shape, places: Mapping[str, str] = {ENVIRONMENT: EMULATOR}) -> None:
    """Write the project into the folder ``root``. ``places`` names each environment and its emulator's folder."""

    def put(name: str, text: str) -> None:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    lines = (PLACE.format(environment=name, folder=folder) for name, folder in places.items())
    put("gitops.yaml", PROJECT.format(state=root / STATE) + "".join(lines))
    # The name of an endpoint is unique in a region, however many workspaces there are.
    suffix = "" if len(places) == 1 else "-${{ var.place }}"
    put(".gitignore", f"{EMULATOR}/\n{REGIONS}/\n{STATE}/\n")
    put("base/conda.yml", CONDA)
    for number in range(shape.models):
        put(f"base/models/m{number}.yml", MODEL.format(model=f"m{number}"))
        put(f"models/m{number}/model.bin", f"{number:08d}" * (MODEL_BYTES // 8))
    for number in range(shape.environments):
        put(f"base/environments/e{number}.yml", SERVING.format(environment=f"e{number}", number=number))
    for number in range(shape.codes):
        put(f"base/code/c{number}/score.py", SCORE.format(number=number))
    for number in range(shape.endpoints):
        put(f"base/endpoints/{_endpoint(number)}.yml", _endpoint_file(number, shape, suffix))
    overlay = "".join(OVERLAY.format(endpoint=_endpoint(number) + suffix) for number in range(shape.endpoints))
    for name in places:
        put(f"overlays/{name}/deployments.yml", overlay)


def change_one(root: Path, shape: Shape) -> None:
    """Change one line of one deployment in the middle of the project; the next time, change it back."""
    file = root / "base" / "endpoints" / f"{_endpoint(shape.endpoints // 2)}.yml"
    text = file.read_text()
    before, after = reversed(CHANGED) if CHANGED[1] in text else CHANGED
    file.write_text(text.replace(before, after, 1))


def _endpoint(number: int) -> str:
    return f"endpoint-{number:04d}"


def _endpoint_file(number: int, shape: Shape, suffix: str) -> str:
    endpoint = _endpoint(number) + suffix
    deployments = (
        DEPLOYMENT.format(
            deployment=f"d{index:02d}",
            endpoint=endpoint,
            model=f"m{(number + index) % shape.models}",
            environment=f"e{(number + index) % shape.environments}",
            code=f"c{(number + index) % shape.codes}",
        )
        for index in range(1, DEPLOYMENTS_PER_ENDPOINT + 1)
    )
    return ENDPOINT.format(endpoint=endpoint) + "".join(deployments)
