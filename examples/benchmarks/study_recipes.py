"""Which backbone, size, pooling, head, mix and loss pays, in quality and in seconds?

One choice at a time is changed, on grouped folds: repeated posters never stand on both
sides. Each row is scored once, by parts that were fitted without it, and all settings
are scored on the same rows. Intervals are paired bootstraps by group; those of a
difference to the reference (the recipe `"frozen"`) hold for one setting, not for the
best of many. Beside the macro mAP is that of the labels with 30 posters or more: a
label with 7 makes 1.7 of 26.7 points. The last setting of the frozen part is chosen in
inner folds, from candidates, for each outer fold: its score is honest for the whole
procedure.

Where features outnumber rows, a regularised linear head is fitted in the space that the
rows span: the same classifier, in less time.

Networks take minutes per epoch. `--part networks` trains them on two of the folds
(`--network-folds`), and compares all, with the recipe `"best"` beside them, on the rows
of those folds.
"""

import time
import warnings
from pathlib import Path

import numpy as np
from _common import (
    frequencies_of,
    load,
    machine,
    parser,
    split_by_group,
    write_json,
)

N_FOLDS = 5
SUPPORTED = 30  # Positives of labels whose mean few posters move little.
INNER_FOLDS = 3
WIDTH = 1280  # Averages or maxima of one network.
REFERENCE = "Lite0, 320×224, average, C=0.001 (recipe frozen of 0.1.0)"
BEST = "mix: three larger, average, maximum, covariance (recipe best of 0.1.0)"
NORMALISED = "normalised, float32: average and covariance, C={}"
QUANTISED = "normalised, int8: average and covariance, C={}"
LITE0 = ("efficientnet_lite0", 320, 224)
LITE1 = ("efficientnet_lite1", 352, 240)
LITE2 = ("efficientnet_lite2", 368, 256)
LARGE = (("efficientnet_lite0", 384, 272), LITE1, ("efficientnet_lite2", 448, 320))


def setting(
    networks,
    pooling="avg",
    flip=False,
    head="logistic",
    C=1e-3,
    normalize=False,
    precision="float32",
):
    """Return one combination of choices."""
    return {
        "normalize": normalize,
        "precision": precision,
        "networks": networks,
        "pooling": pooling,
        "flip": flip,
        "head": head,
        "C": C,
    }


SETTINGS = {
    REFERENCE: setting([LITE0]),
    "backbone: Lite1, 320×224": setting([("efficientnet_lite1", 320, 224)]),
    "backbone: Lite2, 320×224": setting([("efficientnet_lite2", 320, 224)]),
    "size: Lite0, 224×224": setting([("efficientnet_lite0", 224, 224)]),
    "size: Lite0, 384×272": setting([("efficientnet_lite0", 384, 272)]),
    "size: Lite1, 352×240": setting([LITE1]),
    "size: Lite2, 368×256": setting([LITE2]),
    "size: Lite2, 448×320": setting([("efficientnet_lite2", 448, 320)]),
    "pooling: maximum": setting([LITE0], pooling="max"),
    "pooling: average and maximum": setting([LITE0], pooling="avgmax"),
    "pooling: covariance": setting([(*LITE0, "covariance")], C=3e-4),
    "pooling: average and covariance": setting([LITE0, (*LITE0, "covariance")], C=2e-4),
    "flip": setting([LITE0], flip=True),
    "head: logistic, C=0.0001": setting([LITE0], C=1e-4),
    "head: logistic, C=0.0003": setting([LITE0], C=3e-4),
    "head: logistic, C=0.003": setting([LITE0], C=3e-3),
    "head: logistic, balanced": setting([LITE0], head="balanced", C=3e-4),
    "head: ridge": setting([LITE0], head="ridge"),
    "head: 50 nearest neighbours": setting([LITE0], head="neighbours"),
    "head: classifier chain": setting([LITE0], head="chain"),
    "head: one hidden layer": setting([LITE0], head="mlp"),
    "mix: Lite0 and Lite2": setting([LITE0, LITE2], flip=True, C=3e-4),
    "mix: Lite0, Lite1, Lite2": setting([LITE0, LITE1, LITE2], flip=True, C=3e-4),
    "mix: three, average and maximum": setting(
        [LITE0, LITE1, LITE2], pooling="avgmax", flip=True, C=3e-4
    ),
    "mix: three larger": setting(LARGE, flip=True, C=3e-4),
    "mix: three larger, average and maximum": setting(
        LARGE, pooling="avgmax", flip=True, C=3e-4
    ),
    "mix: Lite0, Lite2, covariance of Lite0": setting(
        [LITE0, LITE2, (*LITE0, "covariance")], flip=True, C=2e-4
    ),
    "mix: those of the recipe best, C=0.0001": setting(
        [*LARGE, (*LARGE[2], "covariance")], pooling="avgmax", flip=True, C=1e-4
    ),
    BEST: setting(
        [*LARGE, (*LARGE[2], "covariance")], pooling="avgmax", flip=True, C=2e-4
    ),
    "normalised, float32: average": setting([(*LITE0, "avg")], C=3e-3, normalize=True),
}
BOTH = (*LITE0, ("avg", "covariance"))
CS = (4e-4, 8e-4, 1.5e-3, 3e-3)
SETTINGS |= {
    name.format(C): setting([BOTH], C=C, normalize=True, precision=precision)
    for name, precision in ((NORMALISED, "float32"), (QUANTISED, "int8"))
    for C in CS
}
ONE = "normalised, int8: Lite2, {}×{}, average and covariance{}"
SIZES = ((448, 320), (576, 408), (704, 496))
SETTINGS |= {
    ONE.format(*size, several): setting(
        [("efficientnet_lite2", *size, ("avg", f"covariance{several}"))],
        C=1.5e-3,
        normalize=True,
        precision="int8",
    )
    for size, several in ((SIZES[0], ""), *((size, "s") for size in SIZES))
}
# What the inner folds choose from.
CHOICES = {
    "chosen in inner folds, normalised, int8, Lite2": [
        ONE.format(*SIZES[0], ""),
        *(ONE.format(*size, "s") for size in SIZES),
    ],
    "chosen in inner folds among the mixes": [
        "mix: three larger, average and maximum",
        "mix: those of the recipe best, C=0.0001",
        BEST,
    ],
    "chosen in inner folds, normalised, float32": [NORMALISED.format(C) for C in CS],
    "chosen in inner folds, normalised, int8": [QUANTISED.format(C) for C in CS],
}
LOSSES = {
    "cross-entropy": {},
    "asymmetric loss": {"classifier__loss": "asymmetric"},
    "focal loss": {"classifier__loss": "focal"},
    "logit adjustment": {"classifier__logit_adjustment": 1.0},
    "balanced labels": {"classifier__label_weight": "balanced"},
}
NETWORKS = {
    "cnn": ("cnn", {"classifier__epochs": 5}),
    "finetuned": ("finetuned", {}),
} | {
    f"finetuned, last 2 stages, {loss}": (
        "finetuned",
        {"classifier__unfreeze": 2, **params},
    )
    for loss, params in LOSSES.items()
}


class Features:
    """Features of all posters, each computed once and timed."""

    def __init__(self, paths, cache_dir):
        self.paths, self.cache_dir = paths, cache_dir
        self.parts, self.seconds = {}, {}

    def of(self, choice):
        """Return the features of a setting, and the seconds that they cost."""
        kinds = (choice["flip"], choice["normalize"], choice["precision"])
        keys = [(network, *kinds) for network in choice["networks"]]
        columns = {
            "avg": slice(0, WIDTH),
            "max": slice(WIDTH, None),
            "avgmax": slice(None),
        }[choice["pooling"]]
        parts = [
            self._part(*key)[:, columns if len(key[0]) == 3 else slice(None)]
            for key in keys
        ]
        return np.hstack(parts), sum(self.seconds[key] for key in keys)

    def _part(self, network, flip, normalize, precision):
        from sk_posters import PosterEncoder

        key = network, flip, normalize, precision
        if key not in self.parts:
            name, height, width, *pooling = network
            encoder = PosterEncoder(
                name,
                image_size=(height, width),
                pooling=pooling[0] if pooling else "avgmax",
                flip=flip,
                normalize=normalize,
                precision=precision,
                cache_dir=self.cache_dir,
            )
            started = time.perf_counter()
            self.parts[key] = encoder.fit_transform(self.paths)
            self.seconds[key] = time.perf_counter() - started
            if encoder.n_cached_:
                self.seconds[key] = np.nan  # Somebody else has paid for it.
        return self.parts[key]


def head(choice):
    """Return the classifier of a setting."""
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.multioutput import ClassifierChain
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sk_posters import OneVsRestHead

    kind = choice["head"]
    weight = "balanced" if kind == "balanced" else None
    logistic = LogisticRegression(C=choice["C"], max_iter=1000, class_weight=weight)
    # All regularisation is of the order that suits 1280 standardised features.
    classifiers = {
        "logistic": OneVsRestHead(logistic, n_jobs=-1),
        "balanced": OneVsRestHead(logistic, n_jobs=-1),
        "ridge": RidgeClassifier(alpha=3000),
        "neighbours": KNeighborsClassifier(50, metric="cosine", weights="distance"),
        "chain": ClassifierChain(logistic, order="random", random_state=0),
        "mlp": MLPClassifier(
            (128,), alpha=1.0, early_stopping=True, max_iter=100, random_state=0
        ),
    }
    return make_pipeline(
        StandardScaler(with_std=not choice["normalize"]), classifiers[kind]
    )


def scores_of(classifier, X, n_labels):
    """Return scores of shape (n_samples, n_labels), whatever a classifier gives."""
    from sk_posters._base._predictions import predict_scores

    methods = ("predict_proba", "decision_function")
    return predict_scores(classifier, X, methods=methods, n_labels=n_labels)[0]


def out_of_fold(choice, X, y, splits):
    """Return scores of all rows, each by a classifier that did not see it."""
    scores = np.full(y.shape, np.nan)
    for train, test in splits:
        classifier = head(choice).fit(X[train], y[train])
        scores[test] = scores_of(classifier, X[test], y.shape[1])
    return scores


def chosen(candidates, features, y, groups, splits):
    """Return scores of settings that inner folds choose, and what they chose."""
    from sk_posters.metrics import mean_average_precision_score

    scores, names = np.full(y.shape, np.nan), []
    for train, test in splits:
        inner = split_by_group(INNER_FOLDS, y[train], groups[train])
        found = {}
        for name in candidates:
            X, _ = features.of(SETTINGS[name])
            held_out = out_of_fold(SETTINGS[name], X[train], y[train], inner)
            found[name] = mean_average_precision_score(y[train], held_out)
        best = max(found, key=found.get)
        names.append(best)
        X, _ = features.of(SETTINGS[best])
        fitted = head(SETTINGS[best]).fit(X[train], y[train])
        scores[test] = scores_of(fitted, X[test], y.shape[1])
        print(f"  inner folds chose {best}", flush=True)
    return scores, names


def network_scores(recipe, params, paths, y, splits):
    """Train a network on some folds; return scores of their rows, and seconds each."""
    from sk_posters import make_poster_pipeline

    scores, seconds = np.full(y.shape, np.nan), []
    for train, test in splits:
        started = time.perf_counter()
        pipe = make_poster_pipeline(recipe, classifier__random_state=0, **params)
        pipe.fit(paths[train], y[train])
        seconds.append(time.perf_counter() - started)
        scores[test] = pipe.predict_proba(paths[test])
    return scores, float(np.mean(seconds))


def table_row(name, y, scores, reference, groups, **more):
    """Return the figures of one setting, and print them."""
    from sk_posters.metrics import compare_models, multilabel_report

    metric = "macro average precision"
    found = multilabel_report(
        y, squashed(scores), groups=groups, n_bootstrap=1000, random_state=0
    )
    report, labels = found.scores, found.labels
    frequent = labels.loc[labels["support"] >= SUPPORTED, metric.partition(" ")[2]]
    value, low, high = report.loc[metric, ["value", "low", "high"]]
    difference = compare_models(
        y, scores, reference, groups=groups, n_bootstrap=1000, random_state=0
    ).differences.loc[metric]
    row = {
        "setting": name,
        "macro mAP": value,
        "low": low,
        "high": high,
        "macro mAP of frequent labels": frequent.mean(),
        "difference": difference["difference"],
        "difference, low": difference["low"],
        "difference, high": difference["high"],
        "micro AP": report.loc["micro average precision", "value"],
        "LRAP": report.loc["LRAP", "value"],
        **more,
    }
    print_row(row)
    return {key: plain(each) for key, each in row.items()}


def squashed(scores):
    """Bring decisions of a ridge into [0, 1], in their order."""
    if scores.min() >= 0 and scores.max() <= 1:
        return scores
    return 1 / (1 + np.exp(-scores))


def plain(value):
    if isinstance(value, (str, list)):
        return value
    return None if np.isnan(value) else float(value)


def print_row(row):
    cells = [
        f"{row['macro mAP']:.4f} [{row['low']:.3f}, {row['high']:.3f}]",
        f"{row['macro mAP of frequent labels']:.4f}",
        f"{row['difference']:+.4f} [{row['difference, low']:+.3f}, "
        f"{row['difference, high']:+.3f}]",
        f"{row['micro AP']:.3f}  {row['LRAP']:.3f}",
        f"{row['seconds to encode']:7.0f} {row['seconds of a fit']:7.1f}",
    ]
    print(f"{row['setting']:52}" + "  ".join(cells), flush=True)


def frozen_part(posters, y, groups, splits, options):
    """Score all settings of frozen features."""
    features = Features(posters.data, options.cache_dir)
    rows, scores = [], {}
    frequencies = frequencies_of(y, splits)
    wanted = options.settings or [""]
    for name, choice in SETTINGS.items():
        if not name.startswith((REFERENCE, *wanted)):
            continue
        X, encoding = features.of(choice)
        started = time.perf_counter()
        scores[name] = out_of_fold(choice, X, y, splits)
        seconds = (time.perf_counter() - started) / len(splits)
        cost = {"seconds to encode": encoding, "seconds of a fit": seconds}
        if not rows:
            nothing = {"seconds to encode": 0.0, "seconds of a fit": 0.0}
            trivial = "trivial: frequencies of the training rows"
            rows.append(
                table_row(trivial, y, frequencies, scores[name], groups, **nothing)
            )
        reference = scores[REFERENCE]
        rows.append(table_row(name, y, scores[name], reference, groups, **cost))
    for name, candidates in CHOICES.items():
        if not name.startswith(tuple(wanted)):
            continue
        started = time.perf_counter()
        scores[name], names = chosen(candidates, features, y, groups, splits)
        cost = {
            "seconds to encode": np.nan,
            "seconds of a fit": (time.perf_counter() - started) / len(splits),
            "chosen": names,
        }
        reference = scores[REFERENCE]
        rows.append(table_row(name, y, scores[name], reference, groups, **cost))
    return rows


def network_part(posters, y, groups, splits, options):
    """Score networks on the rows of some folds, and frozen features beside them."""
    features = Features(posters.data, options.cache_dir)
    splits = splits[: options.network_folds]
    tested = np.concatenate([test for _, test in splits])
    nothing = {"seconds to encode": np.nan, "seconds of a fit": np.nan}
    rows, frozen = [], {}
    for name in (REFERENCE, BEST) if options.mix else (REFERENCE,):
        X, _ = features.of(SETTINGS[name])
        frozen[name] = out_of_fold(SETTINGS[name], X, y, splits)[tested]

    def add(name, scores, **cost):
        row = table_row(
            name, y[tested], scores, frozen[REFERENCE], groups[tested], **cost
        )
        rows.append(row)

    for name, scores in frozen.items():
        add(name, scores, **nothing)
    for name in options.networks or NETWORKS:
        recipe, params = NETWORKS[name]
        scores, seconds = network_scores(recipe, params, posters.data, y, splits)
        scores = scores[tested].astype(float)
        add(name, scores, **{"seconds to encode": 0.0, "seconds of a fit": seconds})
        if options.mix and recipe != "cnn":
            mixed = mean_of_logits(scores, frozen[BEST])
            add(f"{name}, mixed with recipe best", mixed, **nothing)
    return rows


def mean_of_logits(*scores):
    logits = [np.log(each / (1 - each)) for each in np.clip(scores, 1e-7, 1 - 1e-7)]
    return 1 / (1 + np.exp(-np.mean(logits, axis=0)))


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=4000)
    options.add_argument(
        "--cache-dir", type=Path, help="folder that keeps features (default: none)"
    )
    options.add_argument(
        "--settings",
        nargs="+",
        metavar="START",
        help="which settings of frozen features, by the start of their names; "
        "those of inner folds are among them (default: all)",
    )
    options.add_argument(
        "--part", choices=["frozen", "networks"], default="frozen", help="what to study"
    )
    options.add_argument(
        "--network-folds",
        type=int,
        default=2,
        help="folds that networks are trained on (default: 2)",
    )
    options.add_argument(
        "--networks", nargs="+", choices=NETWORKS, help="which (default: all)"
    )
    options.add_argument(
        "--mix", action="store_true", help="mix networks with the recipe best, too"
    )
    options = options.parse_args(arguments)
    posters = load(options.data, options.n_samples)
    posters.data = posters.data[: options.n_samples]
    posters.target = posters.target[: options.n_samples]
    y = posters.target.to_numpy()
    groups = np.asarray(posters.groups)[: options.n_samples]
    warnings.simplefilter("ignore", UserWarning)  # Some labels are too rare for folds.
    splits = split_by_group(N_FOLDS, y, groups)
    part = frozen_part if options.part == "frozen" else network_part
    content = {
        "machine": machine(),
        "rows": part(posters, y, groups, splits, options),
    }
    write_json(options, f"study_recipes_{options.part}", content)


if __name__ == "__main__":
    main()
