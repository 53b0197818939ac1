"""YAML as typed: values, positions, and what is refused."""

from __future__ import annotations

import pytest

from reconciler.load.yaml_reader import MAX_BYTES, MAX_DEPTH, MAX_REPEATED, parse


def read(text):
    documents, findings = parse(text.encode(), "f.yml")
    assert findings == ()
    return [document.data for document in documents]


def places(text):
    (document,), findings = parse(text.encode(), "f.yml")
    assert findings == ()
    return {".".join(map(str, at)): (place.line, place.column) for at, place in document.origin.items()}


def wrong(text):
    """Findings as (rule, line, column), and whether any document came through."""
    data = text if isinstance(text, bytes) else text.encode()
    documents, findings = parse(data, "f.yml")
    assert all(finding.message and finding.position.file == "f.yml" for finding in findings)
    return [(finding.rule, finding.position.line, finding.position.column) for finding in findings], len(documents)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        *((word, word) for word in ("no", "yes", "on", "off", "y", "N", "tRUE", "nULL", "12:30", "2024-01-01")),
        *((word, word) for word in ("0777", "007", "1_000", "0b11", "1e", "+", ".", "1.2.3", "0x", "=", "<")),
        *((word, word) for word in (".inf", "-.Inf", ".nan", "1e999", "9" * 101, "0" * 5000, "00.5")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("null", "Null", "NULL", "~", "")),
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("9" * 100, int("9" * 100)),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("0.0", 0.0),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!int '3'", 3),
        ("!!float 3", 3.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
    ],
)
def test_plain_text_is_what_was_typed(typed, value):
    (data,) = read(f"a: {typed}\n")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_a_key_is_text_as_typed():
    assert read("no: 1\n2024-01-01: 2\n12:30: 3\n'1': 4\n") == [{"no": 1, "2024-01-01": 2, "12:30": 3, "1": 4}]


def test_several_documents_of_which_empty_ones_do_not_count():
    assert read("# only a comment\n---\na: 1\n---\n---\n~\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert read("") == read("# nothing") == []


def test_positions_are_of_keys_and_of_list_items():
    assert places("a: 1\nb:\n  c: [x,  y]\n  d:\n    - e: 1\n") == {
        "": (1, 1),
        "a": (1, 1),
        "b": (2, 1),
        "b.c": (3, 3),
        "b.c.0": (3, 7),
        "b.c.1": (3, 11),
        "b.d": (4, 3),
        "b.d.0": (5, 7),
        "b.d.0.e": (5, 7),
    }


def test_columns_count_characters_and_a_byte_order_mark_none():
    assert places("\ufeff{é: 1, b: 2}")["b"] == (1, 8)


def test_positions_in_a_later_document_are_lines_of_the_file():
    documents, _ = parse(b"a: 1\n---\nb: 2\n", "f.yml")
    assert [document.at().line for document in documents] == [1, 3]


def test_an_alias_stands_where_it_is_and_its_content_where_it_was_written():
    text = "base: &b {x: 1, y: [2]}\nuse: *b\n"
    assert read(text) == [{"base": {"x": 1, "y": [2]}, "use": {"x": 1, "y": [2]}}]
    assert places(text)["use"] == (2, 1)
    assert places(text)["use.y.0"] == (1, 21)


def test_merge_keys_fill_in_and_never_win():
    text = "a: &a {x: 1, y: {z: 1}}\nb: &b {x: 2, w: 2}\nc:\n  <<: [*a, *b]\n  y: 3\n"
    (data,) = read(text)
    assert data["c"] == {"x": 1, "w": 2, "y": 3}
    found = places(text)
    assert (found["c.x"], found["c.w"], found["c.y"]) == ((1, 8), (2, 14), (5, 3))
    assert not any("<<" in at for at in found)


def test_a_merged_mapping_can_be_merged_again():
    text = "a: &a {x: {p: 1}}\nb: &b\n  <<: *a\n  y: 2\nc:\n  <<: *b\n"
    (data,) = read(text)
    assert data["c"] == {"x": {"p": 1}, "y": 2}
    assert places(text)["c.x.p"] == (1, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: {a: 1, a: 2}\na: 3\n", [("duplicate-key", 2, 11), ("duplicate-key", 3, 1)]),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", [("duplicate-key", 4, 3)]),
        ("1: a\n", [("wrong-type", 1, 1)]),
        ("true: a\n", [("wrong-type", 1, 1)]),
        ("? [a]\n: b\n", [("wrong-type", 1, 3)]),
        ("a: !Ref b\n", [("yaml", 1, 4)]),
        ("a: !!int b\n", [("yaml", 1, 4)]),
        ("a: !!python/object:os.system {}\n", [("yaml", 1, 4)]),
        ("a: !!timestamp 2024-01-01\n", [("yaml", 1, 4)]),
        ("a: {<<: 1}\n", [("yaml", 1, 4)]),
    ],
)
def test_what_is_refused_without_giving_up_the_document(text, expected):
    assert wrong(text) == (expected, 1)


@pytest.mark.parametrize("text", ["- a\n- b\n", "hello\n", "3\n", "[]"])
def test_a_document_must_be_a_mapping(text):
    assert wrong(f"a: 1\n---\n{text}") == ([("wrong-type", 3, 1)], 1)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("ok: 1\nimage: a: b\n", 2, 9),
        ("ok: 1\n\tq: 1\n", 2, 1),
        ("a: 'x\n", 2, 1),
        ("a: [1, 2\nb: 3\n", 2, 2),
        ("a: *nowhere\n", 1, 4),
        ("a: &a [*a]\n", 1, 8),
        ("a: &a {b: {<<: *a}}\n", 1, 16),
        ("a: &x 1\nb: &x [*x]\n", 2, 8),
        ("a: &x 1\n---\nb: *x\n", 3, 4),
        ("%YAML 3.0\n---\na: 1\n", 1, 1),
        ("a: b\x00c\n", 1, 5),
        (b"a: 1\nb: x\xff\n", 2, 5),
        ("é: 1".encode("utf-16"), 1, 1),
        (b"a: \xed\xa0\x80\n", 1, 4),
        (b"#" * (MAX_BYTES + 1), 1, 1),
        ("[" * 100_000, 1, MAX_DEPTH + 2),
        ("a: " + "{b: " * 5_000, 1, 3 + 4 * MAX_DEPTH + 1),
        ("- " * 5_000, 1, 2 * (MAX_DEPTH + 1) + 1),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_yields_nothing(text, line, column):
    assert wrong(text) == ([("yaml", line, column)], 0)


def test_an_alias_bomb_is_stopped_where_it_goes_off():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    found, documents = wrong("\n".join(lines))
    assert ([rule for rule, *_ in found], documents) == (["yaml"], 0)
    assert found[0][1] <= 6


def test_aliases_may_repeat_a_fair_amount():
    items = ", ".join(["x"] * 99)
    uses = "\n".join(f"u{number}: *a" for number in range(MAX_REPEATED // 100))
    assert wrong(f"a: &a [{items}]\n{uses}\n") == ([], 1)
    assert wrong(f"a: &a [{items}]\n{uses}\nmore: *a\n")[1] == 0


def test_aliases_cannot_build_what_is_too_deep():
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]" for n in range(1, 20))]
    assert wrong("\n".join(lines))[0][0][0] == "yaml"


def test_the_depth_limit_itself_is_fine():
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert wrong(f"a: {deep}") == ([], 1)


def test_a_duplicate_names_both_places():
    _, (finding,) = parse(b"a: 1\nb: 2\na: 3\n", "f.yml")
    assert "f.yml:1:1" in finding.message
    assert str(finding.position) == "f.yml:3:1"
    assert finding.path == "a"


def test_braces_left_from_a_template_are_named_as_such() -> None:
    _, findings = parse(b"kind: endpoint\nname: {{ENDPOINT}}\n", "e.yml")
    assert [(finding.rule, finding.position.line) for finding in findings] == [("unrendered-template", 2)]
