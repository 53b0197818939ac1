"""One shop with a running emulator for each test module, and one without."""

import pytest
from shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A committed project and a running emulator that is stopped at the end, leaving no process."""
    found = Shop(tmp_path_factory.mktemp("shop") / "project")
    found.fill()
    found.ok("emulator", "start")
    yield found
    found.ok("emulator", "stop")


@pytest.fixture
def paper(tmp_path):
    """A committed project without an emulator, for commands that need none."""
    found = Shop(tmp_path / "project")
    found.fill()
    return found
