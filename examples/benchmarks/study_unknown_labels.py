"""What is won by leaving unknown labels out, not taking them for 0 or dropping rows?

Of the training set of one grouped split, some (poster, label) pairs are made unknown,
in two ways: `pairs` (any pair, with the same chance) and `halves` (some posters lack a
random half of their labels, so that as many pairs are unknown in all). The test set is
known. Four models are fitted: to what is known; to all pairs, with 0 for unknown ones;
to the posters of which all is known; and, as a bound, to the labels before any was made
unknown. Where dropping leaves fewer than ten posters, there is no model, and all
posters get the same scores.

Each of `--repeat` times, other pairs are unknown; scores are means over these.
Intervals are paired bootstraps of the test posters, by group. Nothing is tuned:
`frozen` has its defaults, on the posters of `--data`; a small `cnn` is trained on drawn
posters.
"""

import time
import warnings

import numpy as np
from _common import load, machine, parser, write_json

TEST_SIZE = 0.25
FEWEST_ROWS = 10
METRICS = ["macro average precision", "micro average precision", "log loss"]
KNOWN, ZERO, DROPPED = "unknown left out", "unknown as 0", "rows dropped"
BOUND = "all known"
CNN = {
    "image_size": (96, 64),
    "filters": (16, 32, 64),
    "dense_units": (64,),
    "dropout": 0.1,
    "batch_size": 16,
}


def make_unknown(y, pattern, share, seed):
    """Return labels of which a share is nan."""
    random = np.random.default_rng(seed)
    if pattern == "pairs":
        return y.mask(random.random(y.shape) < share)
    half = np.argsort(random.random(y.shape), axis=1) < y.shape[1] // 2
    lacks = random.random((len(y), 1)) < share * y.shape[1] / (y.shape[1] // 2)
    return y.mask(half & lacks)


def choose_rows(y, y_known):
    """Return rows and labels to fit on, for each way to treat what is unknown."""
    every = np.arange(len(y))
    complete = np.flatnonzero(y_known.notna().all(axis=1))
    return {
        KNOWN: (every, y_known),
        ZERO: (every, y_known.fillna(0).astype(int)),
        DROPPED: (complete, y.iloc[complete]),
        BOUND: (every, y),
    }


def score_ways(fit, X, y, X_test, *, pattern, options):
    """Return scores of the test set by way, with an axis of repeats, and rows left."""
    scores, n_left = {}, []
    for seed in range(options.repeat):
        y_known = make_unknown(y, pattern, options.share, seed)
        for way, (rows, labels) in choose_rows(y, y_known).items():
            started = time.perf_counter()
            if len(rows) < FEWEST_ROWS:
                found = np.full((len(X_test), y.shape[1]), 0.5)
            else:
                found = fit(X[rows], labels, seed).predict_proba(X_test)
            scores.setdefault(way, []).append(np.asarray(found, dtype=float))
            seconds = time.perf_counter() - started
            print(f"{pattern}, {seed}, {way}: {len(rows)} rows, {seconds:.1f} s")
            if way == DROPPED:
                n_left.append(len(rows))
    return {way: np.stack(each) for way, each in scores.items()}, n_left


def compare(name, fit, X, y, groups, options):
    """Print and return how much better leaving out is than each other way."""
    from sk_posters.metrics import compare_models
    from sk_posters.model_selection import multilabel_train_test_split

    train, test = multilabel_train_test_split(
        np.arange(len(y)),
        stratify=y,
        groups=groups,
        test_size=TEST_SIZE,
        random_state=0,
    )
    y_test, rows = y.iloc[test].to_numpy(), []
    for pattern in ("pairs", "halves"):
        scores, n_left = score_ways(
            fit, X[train], y.iloc[train], X[test], pattern=pattern, options=options
        )
        for other in (ZERO, DROPPED, BOUND):
            comparison = compare_models(
                y_test,
                scores[KNOWN],
                scores[other],
                metric=METRICS,
                groups=groups[test],
                random_state=0,
            )
            print(f"\n{name}, {pattern}: {KNOWN} (a) against {other} (b)")
            print(comparison)
            row = {"model": name, "pattern": pattern, "against": other}
            figures = comparison.differences.reset_index().to_dict("records")
            rows.append({**row, "rows left by dropping": n_left, "scores": figures})
    return rows


def study_frozen(options):
    """Compare the recipe `"frozen"` on the posters of a folder."""
    from sklearn.base import clone

    from sk_posters import make_poster_pipeline

    posters = load(options.data, options.n_samples)
    encoder = make_poster_pipeline("frozen", cache_dir=options.cache_dir)[0]
    n = options.n_samples
    X = encoder.fit_transform(posters.data[:n])
    pipe = make_poster_pipeline("frozen")[1:]
    groups = np.asarray(posters.groups)[:n]
    return compare(
        "frozen",
        lambda X, y, seed: clone(pipe).fit(X, y),
        X,
        posters.target[:n],
        groups,
        options,
    )


def study_cnn(options):
    """Compare a small network on drawn posters."""
    from sk_posters import PosterClassifier, PosterImageLoader
    from sk_posters.datasets import make_posters

    posters = make_posters(options.drawn, n_labels=8, random_state=0)
    params = {**CNN, "epochs": options.epochs}
    images = PosterImageLoader(image_size=params.pop("image_size"))
    X = np.asarray(images.fit_transform(posters.data))
    return compare(
        "cnn",
        lambda X, y, seed: PosterClassifier(**params, random_state=seed).fit(X, y),
        X,
        posters.target,
        np.asarray(posters.groups),
        options,
    )


STUDIES = {"frozen": study_frozen, "cnn": study_cnn}


def main(arguments=None):
    options = parser(__doc__, repeat=3, n_samples=4000)
    options.add_argument(
        "--share", type=float, default=0.3, help="share unknown (default: 0.3)"
    )
    options.add_argument(
        "--drawn", type=int, default=800, help="drawn posters (default: 800)"
    )
    options.add_argument(
        "--epochs", type=int, default=15, help="epochs of the cnn (default: 15)"
    )
    options.add_argument(
        "--part",
        choices=STUDIES,
        nargs="+",
        default=list(STUDIES),
        help="what to study",
    )
    options.add_argument("--cache-dir", help="folder that keeps features")
    options = options.parse_args(arguments)
    # Some labels are too rare for a split, or have one value among few rows.
    warnings.simplefilter("ignore", UserWarning)
    rows = [row for part in options.part for row in STUDIES[part](options)]
    content = {"machine": machine(), "share": options.share, "rows": rows}
    write_json(options, "study_unknown_labels", content)


if __name__ == "__main__":
    main()
