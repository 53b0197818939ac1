"""Mistakes that real MLOps repositories make with Azure ML: what each one meets here.

A value that begins with a rule's name is the case that proves it; any other value says why no file can show it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

CASES = Path(__file__).parent / "cases" / "rules"

MISTAKES = {
    "M01 endpoint that does not say whether it is public": "private-inbound/missing",
    "M02 endpoint opened in its file": "private-inbound/enabled",
    "M03 deployment that may call out, said": "private-outbound/legacy-enabled",
    "M03 deployment that may call out, unsaid": "private-outbound/legacy-missing",
    "M04 egress flag changed later": "not in a file: only the live deployment tells what the flag was before",
    "M05 egress flag beside a managed virtual network": "private-outbound/managed-disabled",
    "M06 image from Microsoft's registry with isolated egress": "public-image/microsoft-legacy",
    "M06 image from Docker Hub": "public-image/docker-hub",
    "M07 image tagged latest": "mutable-reference/image-latest",
    "M07 asset labelled latest": "mutable-reference/labels",
    "M07 label of a registry": "mutable-reference/registry-model-path",
    "M07 stage None": "mutable-reference/stage-none",
    "M07 stage Production": "mutable-reference/stage-production",
    "M08 nobody gets traffic": "traffic/none",
    "M09 weights that do not add up": "traffic/sum",
    "M09 weight of an unknown deployment": "unresolved-reference/traffic",
    "M10 code folder that is not there": "unresolved-reference/code-path",
    "M11 MLmodel with a missing conda.yaml": "unresolved-reference/mlmodel-conda",
    "M12 saved with other versions than it is loaded with": "model-environment-mismatch/python-and-library",
    "M13 environment without inference server": "serving-packages/no-server",
    "M13 MLflow model without what Azure's script imports": "serving-packages/mlflow",
    "M14 nothing that could answer": "missing-driver/custom",
    "M15 MLflow model that would install packages without a way out": "mlflow-needs-egress/legacy",
    "M16 password in a file": "literal-secret/environment-variables",
    "M17 variable that nobody defined": "not in a manifest alone: composition reports it, see the variables' own tests",
    "M18 endpoint_name of no endpoint": "unresolved-reference/endpoint-placeholder",
    "M19 template marker left in, braces": "unrendered-template/double-braces",
    "M19 template marker left in, angle brackets": "unrendered-template/angle-brackets",
    "M20 name with an underscore": "name/underscore",
    "M21 name that is new on every run": "name/random",
    "M33 model copied from a file URI, its run forgotten": "path-escape/file-uri",
    "M34 model taken from an MLflow registry": "unresolved-reference/mlflow-registry-uri",
    "M34 container told to use an Azure ML registry through MLflow": "unresolved-reference/mlflow-azure-registry",
    "M35 route to a port where nobody listens": "serving-packages/port",
    "M36 endpoint key kept in a file": "literal-secret/endpoint-keys",
    "M37 identity type changed later": "not in a file: only the live endpoint tells what the identity was before",
    "M39 sample request in the format of another server": "wrong-type/sample-format",
}
PROVED = {mistake: place for mistake, place in MISTAKES.items() if not place.startswith("not in a")}


@pytest.mark.parametrize("mistake", PROVED)
def test_the_mistake_is_met_by_the_rule_that_the_table_names(mistake: str) -> None:
    rule, _, case = PROVED[mistake].partition("/")
    expected = yaml.safe_load((CASES / rule / case / "expected.yml").read_text(encoding="utf-8"))
    assert rule in {finding["rule"] for finding in expected["findings"]}


def test_the_table_is_complete() -> None:
    numbers = {int(mistake[1:3]) for mistake in MISTAKES}
    assert numbers == {*range(1, 22), *range(33, 38), 39}
