"""The files of one scoring process: what a container's filesystem would hold, in a private folder.

    <process folder>/
        azureml-app/<code folder>/            private copy of the code: AML_APP_ROOT and working directory
        azureml-models/<name>/<version>       link to the registered version: AZUREML_MODEL_DIR
        home/  tmp/                           HOME and TMPDIR
        socket                                where the server answers
        process.json                          who runs here, for the sweep after a crash of the emulator

The two names under azureml-app and azureml-models are those of Azure's containers, below /var there. What a model
was registered from decides what AZUREML_MODEL_DIR contains: from a folder ``model/``, that folder under its name
(``$AZUREML_MODEL_DIR/model/...``); from a file ``model.pkl``, that file
(learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from aml_emulator.dataplane.interface import StartFailed

if TYPE_CHECKING:
    from aml_emulator.dataplane.interface import DeploymentSpec

MLFLOW_SCRIPT = Path(__file__).parent / "scoring" / "mlflow_score.py"

# sun_path holds 104 bytes on macOS and 108 on Linux, with the closing zero.
_LONGEST_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one scoring process finds and leaves its files."""

    root: Path
    app_root: Path
    entry_script: Path
    model_dir: Path | None
    home: Path
    temporary: Path
    socket: Path

    @property
    def identity(self) -> Path:
        """The file that says which process runs here."""
        return self.root / "process.json"

    def remove(self) -> None:
        """Delete everything; what is gone already is no error."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self.socket.parent != self.root:
            shutil.rmtree(self.socket.parent, ignore_errors=True)


def prepare(spec: DeploymentSpec, root: Path) -> Layout:
    """Lay out the files of one process under ``root``, which must not exist. Blocking. Raises StartFailed."""
    code_dir, script = _code(spec)
    for folder in (root, root / "home", root / "tmp"):
        folder.mkdir(mode=0o700, parents=True)
    app_root = root / "azureml-app" / _file_name(code_dir.name)
    shutil.copytree(code_dir, app_root, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Layout(
        root=root,
        app_root=app_root,
        entry_script=_inside(app_root, script),
        model_dir=_mount_model(spec, root),
        home=root / "home",
        temporary=root / "tmp",
        socket=_socket_path(root),
    )


def _code(spec: DeploymentSpec) -> tuple[Path, str]:
    if spec.scoring_script is not None and spec.code_dir is not None:
        return spec.code_dir, spec.scoring_script
    if spec.model_type == "mlflow_model":
        return MLFLOW_SCRIPT.parent, MLFLOW_SCRIPT.name
    raise StartFailed(
        "BadArgument",
        f"Deployment {spec.deployment} has no scoring script. The embedded data plane runs scoring scripts and "
        f"MLflow models; it cannot run a {spec.model_type or 'container image'} by itself.",
    )


def _inside(app_root: Path, script: str) -> Path:
    entry = app_root / script
    if not entry.resolve().is_relative_to(app_root.resolve()):
        raise StartFailed("BadArgument", f"The scoring script {script} is outside of the code folder.")
    return entry


def _mount_model(spec: DeploymentSpec, root: Path) -> Path | None:
    if spec.model_dir is None:
        return None
    name = _file_name(spec.model_name or spec.model_dir.parent.name)
    link = root / "azureml-models" / name / _file_name(spec.model_version or spec.model_dir.name)
    link.parent.mkdir(parents=True)
    link.symlink_to(spec.model_dir.absolute(), target_is_directory=True)
    return link


def _file_name(name: str) -> str:
    """``name`` as the name of one folder, whatever it contains."""
    safe = quote(name, safe=" +@=,")
    return safe if safe.strip(".") else f"_{safe}"


def _socket_path(root: Path) -> Path:
    path = root.absolute() / "socket"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="aml-")) / "socket"
