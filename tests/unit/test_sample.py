"""An answer is the expected one, or it is said where not."""

import pytest

from reconciler.sample import differences


@pytest.mark.parametrize(
    ("expected", "found"),
    [([0, 0], [0, 0]), ([1.0], [1]), ([5.3], [5.3000001]), ({"a": [1]}, {"a": [1]}), ("x", "x"), (None, None)],
)
def test_equal_within_the_tolerance(expected, found):
    assert differences(expected, found, 1e-3) == []


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        ([0, 0], [0, 1], "$[1]: expected 0 within 0.001, found 1"),
        ([0, 0], [0], "$: expected 2 items, found 1"),
        ([1.0], "Error: could not convert", "found 'Error: could not convert'"),
        ([1], [True], "expected 1, found True"),
        ({"a": 1}, {"b": 1}, "expected keys ['a'], found ['b']"),
        ([1], None, "found None"),
        ([float("nan")], [1.0], "expected nan"),
    ],
)
def test_where_it_differs(expected, found, said):
    assert said in "; ".join(differences(expected, found, 1e-3))
