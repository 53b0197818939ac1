"""What several contract tests share."""

import azurite as azurite_process
import pytest
from watched_shop import shop

__all__ = ["azurite", "shop"]


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    """One Azurite for the whole session; a test takes a container of its own."""
    with azurite_process.running(tmp_path_factory.mktemp("azurite")) as found:
        yield found
