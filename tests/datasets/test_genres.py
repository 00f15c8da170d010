"""Genres as text or lists become zeros and ones, or are refused."""

import re

import numpy as np
import pandas as pd
import pytest

from sk_posters.datasets._genres import genres_to_indicators

TEXTS = ["['Comedy', 'Drama']", "['N/A']", "[]"]
LISTS = [["Comedy", "Drama"], ["N/A"], []]
TABLE = pd.DataFrame(
    [[1, 1, 0], [0, 0, 1], [0, 0, 0]], columns=["Comedy", "Drama", "N/A"]
)


@pytest.mark.parametrize(
    "genres",
    [TEXTS, LISTS, [tuple(row) for row in LISTS], [np.array(row) for row in LISTS]],
    ids=["text", "lists", "tuples", "arrays"],
)
def test_genres_become_zeros_and_ones(genres):
    pd.testing.assert_frame_equal(genres_to_indicators(genres), TABLE)


def test_columns_are_in_the_order_of_label_names():
    found = genres_to_indicators(TEXTS, ["N/A", "War", "Drama", "Comedy"])
    assert found.columns.tolist() == ["N/A", "War", "Drama", "Comedy"]
    assert found.to_numpy().tolist() == [[0, 0, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_the_index_of_a_series_is_kept():
    genres = pd.Series(TEXTS, index=["a", "b", "c"])
    assert genres_to_indicators(genres).index.tolist() == ["a", "b", "c"]


def test_a_name_given_twice_in_a_row_counts_once():
    assert genres_to_indicators([["War", "War"]]).to_numpy().tolist() == [[1]]


@pytest.mark.parametrize(
    "value",
    [
        *("Drama", "['Drama'", "'Drama'", "", "nan", "{'Drama': 1}", "['Drama', 3]"),
        *("['']", "[" * 500, "__import__('os').getcwd()", None, np.nan, 3, [None]),
    ],
    ids=repr,
)
def test_a_row_that_is_no_list_of_names_is_refused(value):
    message = re.escape("row 1 must be a list of names or such a list as text, as in")
    with pytest.raises(ValueError, match=message) as caught:
        genres_to_indicators([["Drama"], value])
    assert f"got {value!r}. Write [] for a row without genres." in str(caught.value)


def test_a_genre_that_is_no_column_is_refused():
    message = (
        r"row 2 names 'Wra', which is not one of the 2 label_names \['War', 'News'\]"
    )
    with pytest.raises(ValueError, match=message):
        genres_to_indicators([["War"], ["News"], ["Wra"]], ["War", "News"])
