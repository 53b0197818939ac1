"""What the data plane is asked to run in its tests: one deployment of a script."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from aml_emulator.dataplane.interface import DeploymentSpec, Probe

if TYPE_CHECKING:
    from pathlib import Path

KEY = "ws/churn/blue"
PROBE = Probe(initial_delay_s=10, period_s=10, timeout_s=2, failure_threshold=30, success_threshold=1)


def deployment(tmp_path: Path, source: str, **changes) -> DeploymentSpec:
    code = tmp_path / "code"
    code.mkdir(exist_ok=True)
    (code / "score.py").write_text(textwrap.dedent(source))
    values = {
        "key": KEY,
        "deployment": "blue",
        "code_dir": code,
        "scoring_script": "score.py",
        "model_dir": None,
        "model_name": None,
        "model_version": None,
        "model_type": "custom_model",
        "environment_variables": {},
        "request_timeout_s": 5.0,
        "max_concurrent_requests": 1,
        "readiness": PROBE,
        "liveness": PROBE,
    }
    return DeploymentSpec(**{**values, **changes})
