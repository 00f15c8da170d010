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

JOB = """
import hashlib, json, sys
import numpy as np
from sk_posters import MultilabelTunedThresholdClassifierCV, PosterClassifier
from sk_posters import PosterImageLoader, make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import MultilabelStratifiedGroupKFold
from sklearn.pipeline import make_pipeline

home, n_jobs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
posters = make_posters(24, n_labels=3, random_state=0, data_home=home)
X, y = posters.data, posters.target
found = {}

def keep(name, values):
    content = np.ascontiguousarray(values).tobytes()
    found[name] = hashlib.sha256(content).hexdigest()

pipe = make_poster_pipeline(image_size=(48, 32), encoder__n_jobs=n_jobs)
scores = pipe.fit(X, y).predict_proba(X)
keep("frozen", scores)
tuned = MultilabelTunedThresholdClassifierCV(
    pipe, cv=0.5, random_state=seed, n_jobs=n_jobs
)
keep("thresholds", tuned.fit(X, y).best_thresholds_)
report = multilabel_report(y, scores, n_bootstrap=50, random_state=seed)
keep("intervals", report.scores[["value", "low", "high"]].to_numpy())
folds = MultilabelStratifiedGroupKFold(3, shuffle=True, random_state=seed)
keep("folds", np.concatenate([test for _, test in folds.split(X, y, posters.groups)]))
network = PosterClassifier(
    filters=(4,), dense_units=(8,), dropout=0.3, epochs=2, random_state=seed
)
loader = PosterImageLoader(image_size=(16, 12), n_jobs=n_jobs)
keep("network", make_pipeline(loader, network).fit(X, y).predict_proba(X))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the posters in it, drawn once."""
    folder = tmp_path_factory.mktemp("home")
    make_posters(24, n_labels=3, random_state=0, data_home=folder)
    return folder


def answers(home, *, n_jobs=1, seed=0, **environment):
    """Return a digest of each answer of a fresh process."""
    kept = {key: value for key, value in os.environ.items() if "SK_POSTERS" not in key}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", JOB, home, str(n_jobs), str(seed)],
        capture_output=True,
        text=True,
        env={**kept, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def first(home):
    return answers(home, PYTHONHASHSEED="1")


def test_processes_agree(home, first):
    assert len(first) == 5
    assert answers(home, PYTHONHASHSEED="2") == first


def test_jobs_and_a_cache_change_nothing(home, first, tmp_path):
    cache = {"SK_POSTERS_CACHE": str(tmp_path)}
    assert answers(home, n_jobs=2, **cache) == first
    assert os.listdir(tmp_path)
    assert answers(home, n_jobs=2, **cache) == first


def test_another_seed_gives_other_predictions(home, first):
    other = answers(home, seed=1)
    assert {name for name in first if other[name] != first[name]} >= {
        *("folds", "intervals", "network")
    }
    assert other["frozen"] == first["frozen"]
