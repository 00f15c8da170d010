"""One seed gives one answer, in any process, with any number of jobs and any cache.

Searches by processes and threads are in test_search.py and test_classifier.py, workers
of Dask in test_distributed.py, files of models in test_persistence.py.
"""

import json
import os
import subprocess
import sys

import pytest

from sk_posters.datasets import make_posters

# Makes all answers once for each setting in the arguments.
JOB = """
import hashlib, json, os, sys
import numpy as np
from sk_posters import MultilabelTunedThresholdClassifierCV, PosterClassifier
from sk_posters import PosterImageLoader, make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import MultilabelStratifiedGroupKFold
from sklearn.pipeline import make_pipeline

posters = make_posters(24, n_labels=3, random_state=0, data_home=sys.argv[1])
X, y = posters.data, posters.target


def digest(values):
    content = np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(content).hexdigest()


def answer(n_jobs=1, seed=0, cache=""):
    os.environ["SK_POSTERS_CACHE"] = cache
    pipe = make_poster_pipeline(image_size=(48, 32), encoder__n_jobs=n_jobs)
    scores = pipe.fit(X, y).predict_proba(X)
    tuned = MultilabelTunedThresholdClassifierCV(
        pipe, cv=0.5, random_state=seed, n_jobs=n_jobs
    )
    report = multilabel_report(y, scores, n_bootstrap=50, random_state=seed)
    folds = MultilabelStratifiedGroupKFold(3, shuffle=True, random_state=seed)
    splits = folds.split(X, y, posters.groups)
    network = PosterClassifier(
        filters=(4,), dense_units=(8,), dropout=0.3, epochs=2, random_state=seed
    )
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=n_jobs)
    return {
        "frozen": digest(scores),
        "thresholds": digest(tuned.fit(X, y).best_thresholds_),
        "intervals": digest(report.scores[["value", "low", "high"]].to_numpy()),
        "folds": digest(np.concatenate([test for _, test in splits])),
        "network": digest(make_pipeline(loader, network).fit(X, y).predict_proba(X)),
    }


if __name__ == "__main__":
    print(json.dumps([answer(**each) for each in json.loads(sys.argv[2])]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the posters in it, drawn once."""
    folder = tmp_path_factory.mktemp("home")
    make_posters(24, n_labels=3, random_state=0, data_home=folder)
    return folder


def answers(home, *settings, hash_seed):
    """Return a digest of each answer of a fresh process, for each of some settings."""
    kept = {key: value for key, value in os.environ.items() if "SK_POSTERS" not in key}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", JOB, home, json.dumps(settings)],
        capture_output=True,
        text=True,
        env={**kept, "PYTHONHASHSEED": hash_seed},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def first_and_other(home):
    """Answers of one process by two seeds."""
    return answers(home, {}, {"seed": 1}, hash_seed="1")


def test_processes_jobs_and_a_cache_change_nothing(home, first_and_other, tmp_path):
    first, _ = first_and_other
    assert len(first) == 5
    many = {"n_jobs": 2, "cache": str(tmp_path)}
    # The cache is filled, then read.
    assert answers(home, many, many, hash_seed="2") == [first] * 2
    assert os.listdir(tmp_path)


def test_another_seed_gives_other_predictions(first_and_other):
    first, other = first_and_other
    assert {name for name in first if other[name] != first[name]} >= {
        *("folds", "intervals", "network")
    }
    assert other["frozen"] == first["frozen"]
