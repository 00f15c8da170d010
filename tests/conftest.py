"""Fixtures that more than one test module uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_posters():
    """Folder of real posters in the data set's own layout, where there is one."""
    places = [
        os.environ.get("SK_POSTERS_TEST_POSTERS"),
        Path(__file__).parents[2] / "shared" / "posters",
    ]
    for place in places:
        if place and (Path(place) / "train.csv").is_file():
            return Path(place)
    pytest.skip("no real posters: set SK_POSTERS_TEST_POSTERS to a folder of them")
