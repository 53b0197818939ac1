"""What is a reference to an asset, and what only looks like one."""

import pytest

from reconciler.rules.reference import asset_ref


@pytest.mark.parametrize(
    "text",
    [
        "azureml://datastores/workspaceblobstore/paths/models/1",
        "azureml://jobs/train/outputs/artifacts/paths/models/heart",
        "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/d/paths/models/heart",
        "models/heart",
    ],
)
def test_a_place_in_storage_is_no_reference(text):
    assert asset_ref(text) is None


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("azureml:heart:3", "heart", "3"),
        ("azureml:heart", "heart", None),
        ("azureml://registries/acme/models/heart/versions/3", "heart", "3"),
        ("/subscriptions/s/resourceGroups/r/providers/p/workspaces/w/models/heart/versions/3", "heart", "3"),
        ("models:/heart/3", "heart", "3"),
    ],
)
def test_a_reference_names_an_asset(text, name, version):
    found = asset_ref(text)
    assert found is not None
    assert (found.name, found.version) == (name, version)
