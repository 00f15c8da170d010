"""PosterClassifier works without scikeras: the first step of leaving it.

Should scikeras no longer install beside a newer scikit-learn or Keras, its base class
and six helpers are all that has to be replaced. Here they are, with scikeras hidden:
what a classifier does must not differ.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

# What would take scikeras's place, in a process where scikeras cannot be imported.
STAND_IN = """
import sys, types
import keras
from sklearn.base import BaseEstimator, ClassifierMixin

class KerasClassifier(ClassifierMixin, BaseEstimator):
    pass

def class_of(get):
    return lambda name: name if not isinstance(name, str) else type(get(name))

def converted(items, to_class):
    if isinstance(items, (list, tuple)):
        return [converted(item, to_class) for item in items]
    return to_class(items) if isinstance(items, str) else items

def routed(params, destination, pass_filter):
    start = destination + "__"
    return {k.removeprefix(start): v for k, v in params.items() if k.startswith(start)}

def built(item, params):
    if isinstance(item, (list, tuple)):
        return [built(each, params) for each in item]
    return item(**params) if isinstance(item, type) else item

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "scikeras":
            raise ModuleNotFoundError(f"{name} is hidden", name=name)

sys.meta_path.insert(0, Hidden())
wrappers = types.ModuleType("scikeras.wrappers")
wrappers.KerasClassifier = KerasClassifier
helpers = types.ModuleType("scikeras._utils")
helpers.get_loss_class_function_or_string = keras.losses.get
helpers.get_metric_class = class_of(keras.metrics.get)
helpers.get_optimizer_class = class_of(keras.optimizers.get)
helpers.route_params = routed
helpers.try_to_convert_strings_to_classes = converted
helpers.unflatten_params = built
sys.modules |= {"scikeras.wrappers": wrappers, "scikeras._utils": helpers}
"""

ROUND = """
import json, pickle
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV
from sk_posters import PosterClassifier

images = np.random.default_rng(0).random((12, 16, 16, 3), dtype=np.float32)
labels = np.random.default_rng(1).integers(0, 2, (12, 3))
labels[:2] = [[0, 0, 0], [1, 1, 1]]
classifier = PosterClassifier(
    filters=(4,), dense_units=(8,), dropout=0.1, epochs=2, batch_size=4,
    optimizer="sgd", optimizer__momentum=0.5, random_state=0,
)
assert is_classifier(classifier)
first = classifier.fit(images, labels).predict_proba(images)
again = clone(classifier).fit(images, labels).predict_proba(images)
loaded = pickle.loads(pickle.dumps(classifier)).predict_proba(images)
answers = classifier.predict(images)
classifier.score(images, labels)
search = GridSearchCV(classifier, {"optimizer__momentum": [0.1, 0.5]}, cv=2)
search.fit(images, labels)
classifier.set_params(epochs=1, optimizer__momentum=0.9).partial_fit(images, labels)
base = [each.__module__.partition(".")[0] for each in type(classifier).__mro__]
print(json.dumps({
    "same": [np.array_equal(first, each) for each in (again, loaded)],
    "shape": answers.shape,
    "momentum": search.best_estimator_.model_.optimizer.momentum,
    "epochs": len(classifier.history_["loss"]),
    "scikeras": "scikeras" in base or "scikeras" in __import__("sys").modules,
    "scores": first.tolist(),
}))
"""


def told_by(code):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def without():
    return told_by(STAND_IN + ROUND)


def test_a_classifier_fits_answers_clones_and_is_searched_without_scikeras(without):
    assert without["same"] == [True, True]
    assert without["shape"] == [12, 3]
    assert without["momentum"] in (0.1, 0.5)
    assert without["epochs"] == 3
    assert not without["scikeras"]


def test_scores_are_those_with_scikeras(without):
    with_it = told_by(ROUND)
    assert with_it["scikeras"]
    np.testing.assert_array_equal(without["scores"], with_it["scores"])
