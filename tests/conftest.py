"""Fixtures that more than one test module uses."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
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


@pytest.fixture(scope="session")
def reference():
    """Folder of what the reference implementation of the backbones answers."""
    places = [
        os.environ.get("SK_POSTERS_TEST_REFERENCE"),
        Path(__file__).parents[2] / "shared" / "reference",
    ]
    for place in places:
        if place and (Path(place) / "efficientnet_lite0.npz").is_file():
            return Path(place)
    pytest.skip("no reference: set SK_POSTERS_TEST_REFERENCE to a folder of its npz")


@pytest.fixture
def tiny():
    """Parameters of a network that trains in no time."""
    return {
        "filters": (4,),
        "dense_units": (8,),
        "dropout": 0.1,
        "epochs": 1,
        "batch_size": 8,
        "random_state": 0,
    }


@pytest.fixture(scope="session")
def images():
    """Float images, some of them bright, some with a bright left half."""
    pixels = 0.5 * np.random.default_rng(0).random((24, 8, 8, 3), dtype=np.float32)
    pixels[::2] += 0.5
    pixels[::3, :, :4] *= 0.2
    return pixels


@pytest.fixture(scope="session")
def labels():
    """What can be learned from `images`, and a label that nothing tells."""
    rows = np.arange(24)
    columns = {
        "Bright": rows % 2 == 0,
        "Dark left": rows % 3 == 0,
        "Fifth": rows % 5 == 0,
    }
    return pd.DataFrame(columns).astype(int)
