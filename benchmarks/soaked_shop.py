"""The repository that the soak follows: a small project of three environments, and the commits that people make."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROJECT = "soak"
ENVIRONMENTS = ("dev", "test", "prod")
GIT = ("git", "-c", "user.name=soak", "-c", "user.email=soak@example.invalid", "-c", "commit.gpgsign=false")

_PLACE = """\
  {name}:
    target: {{emulator: "{folder}"}}
    network: managed_vnet
    prune: true
    variables: {{place: {name}}}
"""
_GITOPS = """\
project: soak
state: {{folder: "{state}"}}
limits: {{max_delete_percent: 100}}
variables: {{place: {{}}}}
environments:
"""
_ENDPOINT = """\
kind: endpoint
name: adder-${{{{ var.place }}}}
auth_mode: key
public_network_access: disabled
description: Adds, as of change {number}.
traffic: {{blue: {blue}, green: {green}}}
"""
_DEPLOYMENT = """\
---
kind: deployment
name: {name}
endpoint_name: {endpoint}
model: azureml:numbers
environment: azureml:serving
code_configuration: {{code: src, scoring_script: score.py}}
instance_type: Standard_DS3_v2
environment_variables: {{OFFSET: "{offset}"}}
"""
_ASSETS = """\
kind: model
name: numbers
path: model
---
kind: environment
name: serving
image: mcr.microsoft.com/azureml/minimal-py312-inference:20260101.v1
conda_file: conda.yml
"""
_CONDA = "dependencies:\n- python=3.12\n- pip:\n  - azureml-inference-server-http==1.5.1\n"
_EXTRA = "kind: endpoint\nname: extra-${{ var.place }}\nauth_mode: key\npublic_network_access: disabled\n"
_SCORE = "# Scoring code number {number}.\ndef init():\n    pass\n\n\ndef run(data):\n    return data\n"
_OVERLAY = "kind: deployment\nname: green\nendpoint_name: adder-${{{{ var.place }}}}\ninstance_count: {count}\n"


class Shop:
    """A working copy in ``root`` and the bare repository ``bare`` that it is pushed to."""

    def __init__(self, root: Path, bare: Path, state: Path, places: Mapping[str, Path]) -> None:
        self.root = root
        self.bare = bare
        self._state = state
        self._places = places
        self._number = 0
        for folder, kind in ((bare, ("--bare",)), (root, ())):
            folder.mkdir(parents=True)
            subprocess.run([*GIT, "-C", folder, "init", "-q", "-b", "main", *kind], check=True)

    def commit(self) -> str:
        """Make the next commit and push it; what it is about. Bad ones are put right by the one after."""
        self._number += 1
        number = self._number
        about = self._changed(number)
        self._push(about)
        return about

    def settle(self) -> str:
        """Make a commit that is as it should be, and return its hash."""
        self._number += 1
        self._write_sound(self._number)
        self._push("sound")
        return subprocess.run(
            [*GIT, "-C", self.root, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()

    def _changed(self, number: int) -> str:
        self._write_sound(number)
        match number % 12:
            case 3:
                self._write("base/broken.yml", "kind: deployment\nname: Not A Name!\n")
                return "invalid manifests"
            case 6:
                self._write("gitops.yaml", "projct: soak\n")
                return "invalid project file"
            case 9:
                shutil.rmtree(self.root / "base")
                self._write("base/.keep", f"{number}\n")
                return "emptied"
            case 11:
                self._write("overlays/dev/green.yml", _OVERLAY.format(count=2 + number % 3))
                return "one environment"
            case _:
                return "sound"

    def _write_sound(self, number: int) -> None:
        """The endpoint changes each time, a deployment, code, model now and then; another endpoint comes and goes."""
        for folder in ("base", "overlays"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        places = (_PLACE.format(name=name, folder=folder) for name, folder in self._places.items())
        self._write("gitops.yaml", _GITOPS.format(state=self._state) + "".join(places))
        blue = 10 * (number % 10)
        endpoint = _ENDPOINT.format(number=number, blue=blue, green=100 - blue)
        deployments = (
            _DEPLOYMENT.format(name=name, endpoint="adder-${{ var.place }}", offset=number // every)
            for name, every in (("blue", 2), ("green", 5))
        )
        self._write("base/endpoint.yml", endpoint + "".join(deployments))
        self._write("base/assets.yml", _ASSETS)
        self._write("base/conda.yml", _CONDA)
        self._write("base/src/score.py", _SCORE.format(number=number // 7))
        self._write("base/model/base.json", str(number // 40))
        if number % 8 < 4:
            only = _DEPLOYMENT.format(name="only", endpoint="extra-${{ var.place }}", offset=0)
            self._write("base/extra.yml", _EXTRA + only)
        self._write("overlays/prod/green.yml", _OVERLAY.format(count=3))

    def _write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _push(self, message: str) -> None:
        for command in (
            ("add", "-A"),
            ("commit", "-q", "--allow-empty", "-m", message),
            ("push", "-q", str(self.bare), "HEAD:refs/heads/main"),
        ):
            subprocess.run([*GIT, "-C", self.root, *command], check=True)
