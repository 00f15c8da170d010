"""Groups of rows become numbers, and missing ones are refused."""

import numpy as np
import pytest

from sk_posters._base._groups import encode_groups


def test_groups_are_numbered_in_the_order_of_appearance():
    assert encode_groups(["b", "a", "b"], 3).tolist() == [0, 1, 0]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_groups_are_refused_with_their_row(missing):
    groups = np.array(["a", missing, "a", missing], dtype=object)
    with pytest.raises(ValueError, match=r"got (None|nan) in row 1 \(2 in all\)"):
        encode_groups(groups, 4)


@pytest.mark.parametrize("groups", [["a"], [["a"], ["b"]]])
def test_groups_of_another_shape_are_refused(groups):
    with pytest.raises(ValueError, match="for each of the 2 rows: got shape"):
        encode_groups(groups, 2)
