"""Laws of composing: RFC 7386 by an independent reading of it, order never matters, every value has a place."""

from __future__ import annotations

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.compose.overlays import compose
from reconciler.compose.patch import fill, merge_patch
from reconciler.domain import Document, Position
from reconciler.load.yaml_reader import parse

KEYS = st.sampled_from(["a", "b", "c", "name", "<<", "tags"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "no", "", "12:30", "${{ var.v }}"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=5)


def pointers(value, at=()):
    """Every pointer into a value, by a walk of our own."""
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from pointers(child, (*at, key))


def placed(data, file):
    """A document whose every value has a line of its own."""
    return Document(data, {at: Position(file, number + 1) for number, at in enumerate(pointers(data))})


def reference_patch(target, patch):
    """MergePatch(Target, Patch) as RFC 7386, section 2, writes it down."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    target = copy.deepcopy(target)
    for name, value in patch.items():
        if value is None:
            if name in target:
                del target[name]
        else:
            target[name] = reference_patch(target.get(name), value)
    return target


def reference_writer(patch, at):
    """Whether the patch is what put the value at ``at`` there: it names it, or replaces something above it whole."""
    for key in at:
        if not isinstance(patch, dict):
            return True
        if key not in patch:
            return False
        patch = patch[key]
    return not isinstance(patch, dict)


@given(target=MAPPINGS, patch=MAPPINGS)
def test_a_patch_is_what_the_rfc_says(target, patch):
    before = copy.deepcopy((target, patch))
    assert merge_patch(placed(target, "t"), placed(patch, "p")).data == reference_patch(target, patch)
    assert (target, patch) == before


@given(target=MAPPINGS, patch=MAPPINGS)
def test_every_value_of_a_patched_document_has_exactly_one_place(target, patch):
    merged = merge_patch(placed(target, "t"), placed(patch, "p"))
    assert set(merged.origin) == set(pointers(merged.data))
    for at, place in merged.origin.items():
        if at and reference_writer(patch, at):
            assert place == placed(patch, "p").at(*at)
        elif at in set(pointers(target)) and not _replaced_above(target, patch, at):
            assert place == placed(target, "t").origin[at]
        else:
            assert place.file == "p"


def _replaced_above(target, patch, at):
    """Whether the patch puts a mapping where the target had something else, at or above ``at``."""
    for key in at:
        target = target.get(key) if isinstance(target, dict) else None
        if not isinstance(patch, dict) or key not in patch:
            return False
        patch = patch[key]
        if isinstance(patch, dict) and not isinstance(target, dict):
            return True
    return False


@given(target=MAPPINGS, patch=MAPPINGS)
def test_patching_twice_is_patching_once(target, patch):
    once = merge_patch(placed(target, "t"), placed(patch, "p"))
    assert merge_patch(once, placed(patch, "p")) == once


@given(target=MAPPINGS)
def test_an_empty_patch_changes_nothing(target):
    assert merge_patch(placed(target, "t"), placed({}, "p")) == placed(target, "t")


@given(written=MAPPINGS, offered=MAPPINGS)
def test_filling_in_keeps_every_word_that_was_written(written, offered):
    filled = fill(placed(written, "t"), placed(offered, "d"))
    assert set(filled.origin) == set(pointers(filled.data))
    for at, place in placed(written, "t").origin.items():
        assert filled.origin[at] == place
        value, kept = _at(written, at), _at(filled.data, at)
        assert value == kept or (isinstance(value, dict) and isinstance(kept, dict))
    assert all(key in filled.data for key in offered)


def _at(value, at):
    for key in at:
        value = value[key]
    return value


@given(data=MAPPINGS)
def test_what_is_written_is_read_with_a_place_for_every_value(data):
    (document,), findings = parse(json.dumps(data, indent=1).encode(), "f")
    assert findings == ()
    assert document.data == data
    assert set(document.origin) == set(pointers(data))


NAMES = st.sampled_from(["blue", "green", "Blue"])
MANIFESTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["endpoint", "deployment", "model", "environment", "job"]), "name": NAMES},
    optional={
        "endpoint_name": st.sampled_from(["churn", "wine"]),
        "version": st.sampled_from([1, "1", 2]),
        "tags": st.dictionaries(KEYS, SCALARS, max_size=2),
        "path": SCALARS,
    },
)


@settings(max_examples=200)
@given(base=st.lists(MANIFESTS, max_size=5), patches=st.lists(MANIFESTS, max_size=4), offer=MAPPINGS, data=st.data())
def test_the_order_of_files_never_matters(base, patches, offer, data):
    documents = [placed(manifest, f"base/{number}") for number, manifest in enumerate(base)]
    overlays = [placed(patch, f"overlays/{number}") for number, patch in enumerate(patches)]
    defaults = {"endpoint": placed(offer, "gitops.yaml")}
    result, findings = compose(documents, overlays, defaults=defaults, variables={"v": 7})
    assert len(result) == len(base)
    for document in result:
        assert set(document.origin) == set(pointers(document.data))
        assert "${{ var.v }}" not in json.dumps(document.data)
    shuffled = compose(
        data.draw(st.permutations(documents)),
        data.draw(st.permutations(overlays)),
        defaults=defaults,
        variables={"v": 7},
    )
    assert shuffled == (result, findings)
