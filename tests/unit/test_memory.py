"""What is remembered survives its document; a document that says anything else is as if never remembered."""

import json
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.watch.memory import CONDITIONS, Condition, Memory, Stall

seconds = st.floats(0, 1e12, exclude_max=True)
whole = Memory(
    revision="r2",
    applied_revision="r1",
    conditions=tuple(Condition(name, name == "Stalled", "ActionFailed", "no image", "t1") for name in CONDITIONS),
    passed_at=1.5,
    due_at=61.5,
    failures=3,
    stalled={"deployment/alpha/blue": Stall("no image", "BadArgument", "d1")},
    retried="2026-11-21T10:00:00Z",
    warnings=("held endpoint/alpha",),
    told={"since": 1.0},
)
texts = st.text()
stalls = st.builds(Stall, texts, texts, texts)
any_condition = st.builds(Condition, st.sampled_from(CONDITIONS), st.booleans(), texts, texts, texts)
memories = st.builds(
    Memory,
    revision=texts,
    applied_revision=texts,
    conditions=st.lists(any_condition, max_size=3).map(tuple),
    passed_at=seconds,
    due_at=seconds,
    failures=st.integers(0, 10**6),
    stalled=st.dictionaries(texts, stalls, max_size=3),
    retried=texts,
    warnings=st.lists(texts, max_size=3).map(tuple),
    told=st.none() | st.dictionaries(texts, texts, max_size=2),
)

leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**400)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
hostile_condition = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(CONDITIONS) | anything, "status": st.booleans() | anything, "since": anything}
)
hostile_stalls = st.dictionaries(texts, st.fixed_dictionaries({}, optional={"message": anything, "code": anything}))
hostile = st.fixed_dictionaries(
    {},
    optional={field.name: anything for field in fields(Memory)}
    | {"conditions": st.lists(hostile_condition, max_size=3) | anything, "stalled": hostile_stalls | anything},
)


def nested(levels):
    return "[" * levels + "1" + "]" * levels


@given(memories)
def test_what_is_remembered_comes_back(memory):
    assert Memory.from_json(memory.to_json()) == memory


@given(hostile | anything)
def test_a_hostile_document_never_raises_and_what_is_read_can_be_kept(document):
    read = Memory.from_json(json.dumps(document).encode())
    assert replace(Memory.from_json(read.to_json()), told=None) == replace(read, told=None)
    assert 0 <= read.due_at < 1e12
    assert 0 <= read.passed_at < 1e12
    assert isinstance(read.failures, int)
    assert all(isinstance(text, str) for text in (read.revision, read.applied_revision, read.retried, *read.warnings))
    assert all(type(condition.status) is bool for condition in read.conditions)
    assert all(isinstance(text, str) for stall in read.stalled.values() for text in (stall.message, stall.desired))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_document_are_as_if_nothing_was_remembered(document):
    assert isinstance(Memory.from_json(document), Memory)


@pytest.mark.parametrize(
    "document",
    [None, b"", b"null", b"[]", b"7", b"NaN", b"{", b"\xff\xfe", b'{"due_at": 1' + b"0" * 5000 + b"}", b"[" * 100_000],
    ids=["none", "empty", "null", "list", "number", "nan", "half", "no text", "many digits", "deep"],
)
def test_no_document_at_all(document):
    assert Memory.from_json(document) == Memory()


@pytest.mark.parametrize("levels", [100, sys.getrecursionlimit() // 4, sys.getrecursionlimit() // 2, 990, 100_000])
def test_what_is_nested_deeply_can_be_read_and_kept(levels):
    document = f'{{"revision": "r1", "told": {nested(levels)}}}'.encode()
    read = Memory.from_json(document)
    assert Memory.from_json(read.to_json()).revision == read.revision


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "1e12", "true", '"5"', "[5]", "null"]
)
def test_a_number_that_is_no_time_is_0(number):
    read = Memory.from_json(f'{{"due_at": {number}, "passed_at": {number}, "failures": {number}}}'.encode())
    assert (read.due_at, read.passed_at, read.failures) == (0.0, 0.0, 0)


def test_one_wrong_entry_does_not_take_the_others_with_it():
    document = json.loads(whole.to_json())
    document["conditions"][0]["type"] = {}
    document["conditions"][1]["status"] = "yes"
    document["stalled"]["model/m:1"] = "failed"
    document["warnings"].append(7)
    document["due_at"] = "soon"
    read = Memory.from_json(json.dumps(document).encode())
    assert read == replace(whole, conditions=whole.conditions[2:], due_at=0.0)


def test_a_field_of_a_later_version_is_left_out():
    document = json.loads(whole.to_json()) | {"version": 2, "mood": "good"}
    assert Memory.from_json(json.dumps(document).encode()) == whole
