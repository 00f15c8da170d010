"""One seed gives one answer, in any process, with any number of jobs and any cache.

Searches by processes and threads are in test_search.py and test_classifier.py, workers
of Dask in test_distributed.py, files of models in test_persistence.py.

This file is also the program of the other process.
"""

import hashlib
import json
import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterClassifier,
    PosterImageLoader,
    make_poster_pipeline,
)
from sk_posters.datasets import make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import MultilabelStratifiedGroupKFold


def digest(values):
    content = np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(content).hexdigest()


def compute(home, n_jobs=1, seed=0):
    """Return a digest of each answer."""
    posters = make_posters(24, n_labels=3, random_state=0, data_home=home)
    X, y = posters.data, posters.target
    pipe = make_poster_pipeline(image_size=(48, 32), encoder__n_jobs=n_jobs)
    scores = pipe.fit(X, y).predict_proba(X)
    tuned = MultilabelTunedThresholdClassifierCV(
        pipe, cv=0.5, random_state=seed, n_jobs=n_jobs
    )
    report = multilabel_report(y, scores, n_bootstrap=50, random_state=seed)
    folds = MultilabelStratifiedGroupKFold(3, shuffle=True, random_state=seed)
    splits = folds.split(X, y, posters.groups)
    network = PosterClassifier(
        filters=(4,), dense_units=(), dropout=0.3, epochs=2, random_state=seed
    )
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=n_jobs)
    return {
        "frozen": digest(scores),
        "thresholds": digest(tuned.fit(X, y).best_thresholds_),
        "intervals": digest(report.scores[["value", "low", "high"]].to_numpy()),
        "folds": digest(np.concatenate([test for _, test in splits])),
        "network": digest(make_pipeline(loader, network).fit(X, y).predict_proba(X)),
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the posters in it, drawn once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home):
    """Answers of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SK_POSTERS_CACHE", "")
        return compute(home)


def test_processes_jobs_and_a_cache_change_nothing(home, first, tmp_path):
    assert len(first) == 5
    kept = {key: value for key, value in os.environ.items() if "SK_POSTERS" not in key}
    changes = {"PYTHONHASHSEED": "2", "SK_POSTERS_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, home],
        capture_output=True,
        text=True,
        env=kept | changes,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [first] * 2
    assert os.listdir(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Of labels that few rows lack.
def test_another_seed_gives_other_predictions(home, first, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", "")
    other = compute(home, seed=1)
    assert {name for name in first if other[name] != first[name]} >= {
        *("folds", "intervals", "network")
    }
    assert other["frozen"] == first["frozen"]


if __name__ == "__main__":
    # The cache is filled, then read.
    with joblib.parallel_config("threading"):
        print(json.dumps([compute(sys.argv[1], n_jobs=2) for _ in range(2)]))
