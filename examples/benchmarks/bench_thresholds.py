"""What do tuned thresholds win on rows that they were not tuned on?

Logistic regression on fixed features, in nested folds that never part a group: the
inner ones tune, the outer ones score, each row once. Micro and macro F1 of all rows at
0.5, at one tuned threshold, at one for each label, at those shrunk as they are by
default, and at those of expected F1; beside answers that look at no feature. Features
are drawn, or those of a `PosterEncoder` (`--data`), or of a file (`--features`).

Then the default thresholds of classifiers whose scores are often tied, on drawn rows: a
tied score is reached by many rows at once. Half of the rows tune, the others score.
"""

from pathlib import Path

import numpy as np
from _common import Side, in_turn, load, parsed, parser, report

N_FOLDS = 5
N_DRAWS = 4
SIGNALS = (2, 2.5, 3)
VARIANTS = {
    "one threshold": {"per_label": False},
    "per label": {"shrinkage": 0},
    "per label, shrunk (default)": {},
    "expected F1": {"scoring": "expected_f1_macro"},
    "expected F1, sigmoid": {"scoring": "expected_f1_macro", "calibration": "sigmoid"},
}


def features_of(posters):
    """Return the features of posters: a row of numbers for each."""
    from sk_posters import PosterEncoder

    return PosterEncoder().fit_transform(posters.data)


def drawn(n_samples, n_labels=12, n_features=40):
    """Draw labels, few frequent and many rare, and features that tell some of them."""
    generator = np.random.default_rng(0)
    frequency = 0.5 / np.arange(1, n_labels + 1) ** 1.2
    groups = np.arange(n_samples) // 2  # Two rows of each group, alike in all.
    n_groups = groups[-1] + 1
    target = (generator.random((n_groups, n_labels)) < frequency).astype(int)
    strength = generator.uniform(0.1, 1, (n_labels, 1))
    signal = target @ (strength * generator.normal(size=(n_labels, n_features)))
    features = signal + generator.normal(0, 2, (n_groups, n_features))
    return {"features": features[groups], "target": target[groups], "groups": groups}


def classifier(C):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = LogisticRegression(C=C, max_iter=1000)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(logistic))


def given_scores():
    """Return a classifier, fitted, whose probabilities are what it gets as X."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        def __init__(self):
            self.fitted_ = True

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return X

    return Given()


def answers_of_fold(X, y, groups, train, test, C):
    """Return the answers of each way for the test rows, learned from the others."""
    from sk_posters import MultilabelTunedThresholdClassifierCV as Tuned

    tuned = Tuned(classifier(C), store_cv_results=True, n_jobs=-1)
    tuned.fit(X[train], y[train], groups=groups[train])
    held_out = tuned.cv_results_["y_score"]
    labels = y[train][tuned.cv_results_["rows"]]
    scores = tuned.predict_proba(X[test])
    answers = {"at 0.5": (scores >= 0.5).astype(int)}
    for name, parameters in VARIANTS.items():
        # The classifiers are the same for all: only their thresholds differ.
        variant = Tuned(given_scores(), cv="prefit", refit=False, **parameters)
        answers[name] = variant.fit(held_out, labels).predict(scores)
    return {**answers, **trivial(y[train], len(test))}


def trivial(y, n_rows):
    """Return answers that look at no feature."""
    n_most = max(1, round(y.sum(axis=1).mean()))
    most = np.zeros(y.shape[1], dtype=int)
    most[np.argsort(-y.mean(axis=0), kind="stable")[:n_most]] = 1
    rows = {
        "trivial: no label": np.zeros_like(most),
        "trivial: most frequent": most,
        "trivial: every label": np.ones_like(most),
    }
    return {name: np.tile(row, (n_rows, 1)) for name, row in rows.items()}


def nested(job):
    import warnings

    from sklearn.metrics import f1_score

    from sk_posters.model_selection import MultilabelStratifiedGroupKFold

    X, y, groups = data_of(job)
    folds = MultilabelStratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=job.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Some labels are too rare.
        splits = list(folds.split(X, y, groups))
        parts = [answers_of_fold(X, y, groups, *split, job.C) for split in splits]
    truth = y[np.concatenate([test for _, test in splits])]
    figures = {}
    for average in ("macro", "micro"):
        for name in parts[0]:
            answers = np.concatenate([part[name] for part in parts])
            figures[f"{average} F1, {name}"] = f1_score(
                truth, answers, average=average, zero_division=0
            )
    return figures


def tied(job):
    """Return F1 of classifiers with few distinct scores, means of several draws."""
    import warnings

    from sklearn.exceptions import UndefinedMetricWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Some labels are too rare.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        draws = [tied_draw(job.n_samples, seed) for seed in range(N_DRAWS)]
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}


def tied_draw(n_samples, seed):
    from sklearn.metrics import f1_score

    from sk_posters import MultilabelTunedThresholdClassifierCV as Tuned

    figures = {}
    for signal in SIGNALS:
        X, y = drawn_with_noise(n_samples, signal, seed)
        train, test = np.arange(n_samples) % 2 == 0, np.arange(n_samples) % 2 == 1
        for head, estimator in coarse().items():
            predicted = Tuned(estimator).fit(X[train], y[train]).predict(X[test])
            for average in ("macro", "micro"):
                figures[f"{average} F1, {head}, signal {signal}"] = f1_score(
                    y[test], predicted, average=average, zero_division=0
                )
    return figures


def drawn_with_noise(n_samples, signal, seed, n_labels=8, n_features=20):
    """Draw labels, and features that each label shifts by `signal` deviations."""
    generator = np.random.default_rng(seed)
    frequency = 0.5 / np.arange(1, n_labels + 1) ** 1.2
    y = (generator.random((n_samples, n_labels)) < frequency).astype(int)
    y[:2] = 1  # Each label has positives on both sides.
    directions = generator.normal(size=(n_labels, n_features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return signal * y @ directions + generator.normal(size=(n_samples, n_features)), y


def coarse():
    """Return classifiers with few distinct scores, and one with many."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    return {
        "5 nearest neighbours": KNeighborsClassifier(5),
        "tree": DecisionTreeClassifier(random_state=0),
        "forest of 10": RandomForestClassifier(10, random_state=0),
        "logistic regression": classifier(C=0.1),
    }


def data_of(job):
    if job.features:
        with np.load(job.features, allow_pickle=False) as file:
            data = {name: file[name] for name in ("features", "target", "groups")}
    elif job.folder:
        posters = load(Path(job.folder), job.n_samples)
        target = posters.target.to_numpy()
        features = np.asarray(features_of(posters))
        data = {"features": features, "target": target, "groups": posters.groups}
    else:
        data = drawn(job.n_samples)
    return np.asarray(data["features"]), data["target"], np.asarray(data["groups"])


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=2000)
    options.add_argument(
        "--features",
        type=Path,
        help="file (.npz) of features, target, groups and label_names",
    )
    options.add_argument(
        "--C", type=float, default=1e-3, help="of LogisticRegression (default: 0.001)"
    )
    options.add_argument(
        "--seed", type=int, default=0, help="of the outer folds (default: 0)"
    )
    options = parsed(options, arguments)
    job = {
        "features": options.features and str(options.features.resolve()),
        "folder": options.data and str(options.data.resolve()),
        "n_samples": options.n_samples,
        "C": options.C,
        "seed": options.seed,
    }
    options.data = options.data or options.features
    sides = {"nested folds": Side("nested")}
    if options.data is None:
        sides["tied scores"] = Side("tied")
    runs = in_turn(__file__, sides, job, options.repeat)
    report(__file__, options, runs)


if __name__ == "__main__":
    main()
