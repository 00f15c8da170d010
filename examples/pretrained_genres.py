"""How well do pretrained features tell genres, in a minute and without a GPU?

The recipe that serves most people best: features of a network that has seen ImageNet,
a logistic regression per genre, thresholds tuned out of fold; then a report on
posters that none of these has seen, with intervals, next to baselines that see no
poster. Nothing is downloaded, and TensorFlow is not loaded. Without options it draws
synthetic posters; with ``--data FOLDER`` it takes those of a folder that holds
``train.csv`` and ``Images/``.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.

from sk_posters import MultilabelTunedThresholdClassifierCV, make_poster_pipeline
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.plotting import PosterGridDisplay

DRAWN_C = 0.1  # Drawn posters are simpler than real ones: less regularisation does.


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description="Learn the genres of movies from pretrained features."
    )
    parser.add_argument(
        "--data", type=Path, help="folder with train.csv and Images/ (default: draw)"
    )
    parser.add_argument("--n-samples", type=int, default=1000, help="posters to draw")
    parser.add_argument("--recipe", default="frozen", choices=["frozen", "best"])
    parser.add_argument("--output", type=Path, default=Path("examples/output"))
    parser.add_argument("--random-state", type=int, default=0)
    return parser.parse_args(arguments)


def load(options):
    if options.data is not None:
        return load_poster_table(options.data / "train.csv")
    return make_posters(options.n_samples, random_state=options.random_state, verbose=1)


def build(options):
    pipe = make_poster_pipeline(options.recipe)
    # Each poster goes through the network once, for all folds and for later runs.
    cache = {"cache_dir": options.output / "cache", "verbose": 1}
    names = [name for name in pipe.get_params() if name.endswith("__cache_dir")]
    for name in names:
        encoder = name.removesuffix("cache_dir")
        pipe.set_params(**{encoder + key: value for key, value in cache.items()})
    if options.data is None:
        pipe.set_params(classifier__estimator__C=DRAWN_C)
    return MultilabelTunedThresholdClassifierCV(pipe)


def main(arguments=None):
    options = parsed(arguments)
    started = time.perf_counter()
    posters = load(options)
    warnings.simplefilter("ignore", UserWarning)  # Of genres too rare for all folds.
    X_train, X_test, y_train, y_test, groups, test_groups = multilabel_train_test_split(
        posters.data,
        posters.target,
        posters.groups,
        stratify=posters.target,
        groups=posters.groups,  # A repeated poster must not be on both sides.
        test_size=0.15,
        random_state=options.random_state,
    )
    print(f"training set: {len(X_train)} posters, test set: {len(X_test)}")

    classifier = build(options)
    classifier.fit(X_train, y_train, groups=groups)
    report = multilabel_report(
        y_test,
        classifier.predict_proba(X_test),
        thresholds=classifier.best_thresholds_,
        groups=test_groups,
        y_train=y_train,
        random_state=options.random_state,
    )
    print(f"\n{report}\n")

    options.output.mkdir(parents=True, exist_ok=True)
    grid = PosterGridDisplay.from_estimator(classifier, X_test, y_test, max_posters=8)
    grid.figure_.savefig(options.output / "pretrained_posters.png", dpi=120)
    print(f"wrote {options.output / 'pretrained_posters.png'}")
    print(f"{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
