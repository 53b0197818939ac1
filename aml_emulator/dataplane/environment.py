"""The environment variables of a scoring process: Azure's, the user's, and nothing of the emulator's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aml_emulator.dataplane.interface import DeploymentSpec
    from aml_emulator.dataplane.layout import Layout

# Nothing that serves a local model calls home, whatever the deployment asks for.
_QUIET = {
    "AML_APP_INSIGHTS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def process_environment(spec: DeploymentSpec, layout: Layout, python: str) -> dict[str, str]:
    """All variables of the process; a later group wins over an earlier one of the same name.

    That the injected variables win over the user's is assumed: Azure documents them, but not the conflict.
    """
    base = {
        "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(layout.home),
        "TMPDIR": str(layout.temporary),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    injected = {
        # Relative as the deployment body shows it; the server makes it absolute, as it does on Azure.
        "AZUREML_ENTRY_SCRIPT": layout.entry_script.relative_to(layout.app_root).as_posix(),
        "AML_APP_ROOT": str(layout.app_root),
    }
    if layout.model_dir is not None:
        injected["AZUREML_MODEL_DIR"] = str(layout.model_dir)
    return {**base, **spec.environment_variables, **injected, **_QUIET}
