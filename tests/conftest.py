"""Hypothesis profiles: ``dev`` for a quick look, ``ci`` for the pipeline, where CI is set."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_SLOW_ON_PURPOSE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("dev", max_examples=25, deadline=None, suppress_health_check=_SLOW_ON_PURPOSE)
settings.register_profile("ci", max_examples=120, deadline=None, suppress_health_check=_SLOW_ON_PURPOSE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def short_folder():
    """A folder whose path leaves room: a Unix socket below it must fit into 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="aml") as folder:
        yield Path(folder)
