"""How long do importing sk_posters, and one answer of a loaded model, take?

First, in a process without TensorFlow: seconds for `import sk_posters`, all its modules
and all its public names that need no Keras, beyond scikit-learn and pandas, which the
same process has imported before; and whether TensorFlow was loaded. Then, in another
process: a pipeline is trained, pickled and loaded, and answers about one poster at a
time, from its path; the first answer builds the graph and is taken by itself.
"""

import importlib
import pickle
import pkgutil
import sys

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import onednn_is_on, seconds_of

SIDES = {"import": Side("imports"), "one poster": Side("one_poster")}
# What a script that uses the package imports of the two in any case.
BEFORE = (
    "sklearn.base",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "pandas",
)
NEED_KERAS = ("PosterClassifier",)


def imports(job):
    before = seconds_of(lambda: [importlib.import_module(name) for name in BEFORE])
    package = seconds_of(lambda: importlib.import_module("sk_posters"))
    names = seconds_of(all_without_keras)
    return {
        "scikit-learn and pandas, s": before,
        "import sk_posters, s": package,
        "its names and modules that need no Keras, s": names,
        "both, beyond scikit-learn and pandas, s": package + names,
        "TensorFlow loaded": "tensorflow" in sys.modules,
    }


def all_without_keras():
    """Touch every public name of the package and its modules that needs no Keras."""
    import sk_posters

    modules = [sk_posters]
    for info in pkgutil.iter_modules(sk_posters.__path__):
        if not info.name.startswith("_"):
            modules.append(importlib.import_module(f"sk_posters.{info.name}"))
    for module in modules:
        for name in getattr(module, "__all__", ()):
            if name not in NEED_KERAS:
                getattr(module, name)


def one_poster(job):
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterClassifier, PosterImageLoader

    loader = PosterImageLoader(image_size=(job.image_size, job.image_size))
    classifier = PosterClassifier(epochs=1, random_state=0)
    pipeline = Pipeline([("images", loader), ("cnn", classifier)])
    pipeline.fit(job.paths, np.array(job.target))
    loaded = pickle.loads(pickle.dumps(pipeline))
    first, *others = [
        1000 * seconds_of(lambda: loaded.predict(job.paths[:1]))
        for _ in range(1 + job.calls)
    ]
    return {
        "first answer, ms": first,
        "next answers, median, ms": float(np.median(others)),
        "next answers, slowest, ms": max(others),
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(__doc__, repeat=3, n_samples=32, image_size=350)
    options.add_argument(
        "--calls", type=int, default=20, help="answers after the first (default: 20)"
    )
    options = parsed(options, arguments)
    runs = in_turn(__file__, SIDES, job_of(options), options.repeat)
    loaded = any(run["TensorFlow loaded"] for run in runs["import"])
    report(__file__, options, runs, derived={"TensorFlow loaded by import": loaded})


if __name__ == "__main__":
    main()
