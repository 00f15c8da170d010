"""How well does each recipe tell labels, for how many seconds?

Each recipe with pretrained features in float32 and in eight bits, `"frozen"` also with
covariances of three stages, beside what it was in version 0.1.0 (float32), each in a
process of its own: a fit from paths on all posters without a cache, and the peak of its
memory; then predictions of grouped folds from the cache, each poster scored once by a
fit that has not seen it; beside the frequencies of labels among the rows of each fit,
which look at no poster. The recipe's own parameters are taken, and none is chosen here.
Writes a table, and draws a picture of the mean average precision over labels against
the seconds. `--recipes` leaves others out.
"""

import tempfile
from pathlib import Path

import numpy as np
from _common import (
    Side,
    frequencies_of,
    in_turn,
    job_of,
    load,
    median,
    parsed,
    parser,
    report,
    split_by_group,
)
from _side import PEAK, memory_mb, seconds_of

COLD, MACRO, MICRO = "fit, cold cache, s", "macro mAP", "micro AP"
AVERAGES = {"pooling": "avg", "normalize": False, "with_std": True, "C": 1e-3}
RECIPES = {
    "frozen": {},
    "frozen with covariances": {"pooling": ("avg", "covariances")},
    "best": {"recipe": "best"},
    "frozen as in 0.1.0": AVERAGES,
    "best as in 0.1.0": {"union": True, "with_std": True, "C": 2e-4},
}
PRECISIONS = ("float32", "int8")
# What the recipe "best" was.
THREE = {
    "efficientnet_lite0": ((384, 272), ("avg", "max")),
    "efficientnet_lite1": ((352, 240), ("avg", "max")),
    "efficientnet_lite2": ((448, 320), ("avg", "max", "covariance")),
}
N_FOLDS = 5
BASELINE = "label frequencies"


def fit_and_score(job):
    import warnings

    from sklearn.model_selection import cross_val_predict

    warnings.simplefilter("ignore")  # Of labels that are too rare for all folds.
    y = np.array(job.target)
    with tempfile.TemporaryDirectory() as folder:
        pipe = make_pipeline_of(job, folder)
        cold = seconds_of(lambda: pipe.fit(job.paths, y))
        peak = memory_mb(peak=True)
        splits = split_by_group(N_FOLDS, y, job.groups)
        scores = cross_val_predict(
            pipe, job.paths, y, cv=splits, method="predict_proba"
        )
    return {COLD: cold, **score(y, scores), PEAK: peak}


def score_frequencies(job):
    y = np.array(job.target)
    return score(y, frequencies_of(y, split_by_group(N_FOLDS, y, job.groups)))


def score(y, scores):
    """Return what scores are worth."""
    from sklearn.metrics import average_precision_score

    from sk_posters.metrics import mean_average_precision_score

    return {
        MACRO: mean_average_precision_score(y, scores),
        MICRO: average_precision_score(y, scores, average="micro"),
    }


def make_pipeline_of(job, cache_dir):
    """Return the pipeline of a side."""
    from sklearn.pipeline import FeatureUnion

    from sk_posters import PosterEncoder, make_poster_pipeline

    given = {"precision": job.precision} | job.recipe
    if not given.pop("union", False):
        return make_poster_pipeline(cache_dir=cache_dir, **given)
    encoders = [
        (
            name,
            PosterEncoder(
                name,
                image_size=size,
                pooling=pooling,
                flip=True,
                precision=job.precision,
                cache_dir=cache_dir,
            ),
        )
        for name, (size, pooling) in THREE.items()
    ]
    del given["precision"]  # Of the encoders.
    pipe = make_poster_pipeline(**given)
    pipe.steps[0] = ("encoders", FeatureUnion(encoders))
    return pipe


def draw(runs, path):
    """Draw what each side scores against the seconds that it takes."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    colors = ("C0", "C2", "C1", "C7", "C5")
    for name, color in zip(RECIPES, colors, strict=True):
        sides = [side for side in runs if side.rpartition(", ")[0] == name]
        if not sides:
            continue
        points = [
            (median(runs, side, COLD), median(runs, side, MACRO)) for side in sides
        ]
        axes.plot(*zip(*points, strict=True), "o-", color=color, label=name)
        for side, point in zip(sides, points, strict=True):
            precision = side.rpartition(", ")[2]
            # Its neighbours have theirs below.
            offset = (6, 6 if name == "frozen with covariances" else -12)
            axes.annotate(precision, point, xytext=offset, textcoords="offset points")
    axes.axhline(
        median(runs, BASELINE, MACRO), linestyle="--", color="C3", label=BASELINE
    )
    axes.set(
        xscale="log",
        xmargin=0.15,
        xlabel="Seconds of a fit on all posters from their paths",
        ylabel="Mean average precision over labels",
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=1000)
    options.add_argument(
        "--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), metavar="RECIPE"
    )
    options = parsed(options, arguments)
    sides = {
        f"{name}, {precision}": Side(
            "fit_and_score", changes={"recipe": RECIPES[name], "precision": precision}
        )
        for name in options.recipes
        for precision in (PRECISIONS[:1] if name.endswith("0.1.0") else PRECISIONS)
    }
    job = job_of(options)
    groups = load(options.data, options.n_samples).groups[: options.n_samples]
    job["groups"] = list(map(str, groups))
    sides[BASELINE] = Side("score_frequencies")
    runs = in_turn(__file__, sides, job, options.repeat)
    report(__file__, options, runs)
    picture = options.output / f"{Path(__file__).stem}.png"
    draw(runs, picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
