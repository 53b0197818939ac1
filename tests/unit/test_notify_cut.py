"""A comment that is too long is cut so that what is left renders."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.notify.cut import NOTE, cut

LINES = [
    "plain text", "", "- item `<details>`", "| a | b |", "```diff", "```", "~~~", "````", "- before: <details>",
    "+ after: 1", "<details><summary>update <code>endpoint/churn</code></summary>", "</details>",
    "<summary>", "</summary>", "é🔥" * 9, "<table>",
    "<tr><td>x</td></tr>", "</table>", "   ```", "``` a `b`", "> quoted",
]  # fmt: skip


def depth_of(text):
    """What is open at the end, judged line by line and from scratch: the fence, and details beyond those closed."""
    fence, details = "", 0
    for line in text.split("\n"):
        bare = line.strip()
        if fence:
            if bare and set(bare) == {fence[0]} and len(bare) >= len(fence) and not line.startswith("    "):
                fence = ""
        elif (opened := re.match(r"^ {0,3}(```+(?=[^`]*$)|~~~+)", line)) is not None:
            fence = opened[1]
        else:
            shown = re.sub(r"`[^`]+`", "", line)
            details = max(0, details + shown.count("<details>") - shown.count("</details>"))
    return fence, details


def test_what_fits_is_left_as_it_is():
    assert cut("a\n" * 50, 100) == "a\n" * 50


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=60), st.integers(400, 900))
def test_what_is_left_fits_is_closed_and_begins_the_same(lines, limit):
    body = "<!-- aml-gitops:plan -->\n" + "\n".join(lines)
    shown = cut(body, limit)
    assert len(shown.encode()) <= limit
    assert shown.startswith("<!-- aml-gitops:plan -->\n")
    if shown != body:
        assert shown.endswith(NOTE)
        assert depth_of(shown.removesuffix(NOTE)) == ("", 0)


def test_a_code_block_in_details_is_closed_from_the_inside():
    body = "<!-- m -->\n<details><summary>x</summary>\n\n```diff\n" + "+ line\n" * 200 + "```\n\n</details>\n"
    shown = cut(body, 500)
    assert re.search(r"\+ line\n```\n\n</details>\n", shown)
    assert shown.endswith(NOTE)


def test_a_fence_in_a_longer_fence_closes_nothing():
    shown = cut("````\n" + "```\n<details>\n" * 200, 400).removesuffix(NOTE)
    assert shown.endswith("\n````\n")
    assert "</details>" not in shown


def test_tags_that_are_code_are_not_closed():
    assert "</details>" not in cut("a `<details>` and ``<summary>`` here\n" * 100, 400)
    assert "</pre>" not in cut("```\n<pre>\n```\n" * 100, 400)


def test_what_an_end_tag_closes_is_closed():
    shown = cut("<details><summary>x</details>\n" + "y\n" * 500, 400)
    assert shown.count("</") == 1


def test_bytes_are_counted_in_each_line():
    shown = cut("é🔥\n" * 1000, 400)
    assert 400 - 8 < len(shown.encode()) <= 400


def test_as_much_is_kept_as_fits():
    body = "<!-- m -->\n" + "0123456789\n" * 1000
    assert 1000 - 11 < len(cut(body, 1000)) <= 1000


@pytest.mark.parametrize("character", ["x", "é", "🔥"])
def test_one_line_that_is_too_long_is_cut_inside(character):
    shown = cut(character * 5000, 400)
    assert len(shown.encode()) <= 400
    assert shown.endswith(NOTE)


def test_the_mark_survives_one_huge_line():
    shown = cut("<!-- m -->\n" + "x" * 5000, 400)
    assert shown.startswith("<!-- m -->\n")
