"""Any live workspace imports to manifests that plan to no field change; what stays to be said is in the notes."""

from hypothesis import event, given
from live_bodies import DEFAULTS, FIELDS, workspaces
from round_trip import round_trip

from reconciler.kinds import KINDS
from reconciler.kinds.kind import get


def test_the_random_worlds_have_every_field():
    drawn = {kind: set(fields) | ({"properties.properties"} & set(fields)) for kind, fields in FIELDS.items()}
    assert drawn == {kind.name: set(kind.by_arm) for kind in KINDS.values() if kind.name != "code"}


def opened(live, change):
    """Whether a change is the one that an import makes on purpose: it closes what is open."""
    verb, resource, path = change.split(" ", 2)
    if path != "properties.publicNetworkAccess":
        return False
    bodies = {str(ref): body for ref, body in live.resources.items()}
    return str(get(bodies[resource], path)).lower() != "disabled" and verb in ("update", "adopt")


@given(live=workspaces(), defaults=DEFAULTS)
def test_what_is_live_plans_to_nothing(live, defaults):
    trip = round_trip(live, defaults=defaults, adopt=True)
    assert trip.findings == ()
    assert trip.imported.missed == ()
    told = {(note.resource, note.message) for note in trip.imported.notes if note.rule == "default"}
    for change in trip.changes:
        _, resource, path = change.split(" ", 2)
        by_default = any(resource == about and path in message for about, message in told)
        assert by_default or opened(live, change), change
    assert set(trip.verbs) <= {"adopt", "update"}
    event(f"{len(trip.texts)} files")
    event(f"ignores {sum('ignore:' in text for text in trip.texts.values())}")


@given(live=workspaces())
def test_nothing_of_the_books_and_nothing_of_azures_own_is_written(live):
    for text in round_trip(live).texts.values():
        for word in ("aml-gitops-", "AzureAsyncOperationUri", "azureml.onlineendpointid", "provisioningState"):
            assert word not in text
