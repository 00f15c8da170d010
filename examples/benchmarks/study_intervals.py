"""Do intervals hold what the report says, and do stars mark models that know something?

Labels and probabilities are simulated, so that the truth is known: the mean score over
all samples of the same size, which the mean over all simulations stands for. Each
simulation draws labels, and four models of them: one that knows nothing, and three
whose logit for a label lies 0.1, 0.3 and 1 standard deviations higher where it is true.
`multilabel_report` scores each, at thresholds equal to the prevalence.

The rows are independent, or come in groups of one to five, in which labels and
probabilities are alike (correlation 0.7 of what they are drawn from). There are eight
labels with prevalences from 0.01 to 0.5, or 25 with those of real movie genres.

- coverage: how often the interval of the model with 1 standard deviation holds the
  truth;
- false stars: how often the report marks the model that knows nothing as better than
  all baselines, and a label of it as better than chance;
- stars kept: how often it marks the models that know something;
- Type I error: how often `compare_models` finds a difference between two models that
  are equally good (1 standard deviation, half of the noise is the same).

The standard error of a share p of N simulations is the root of p (1 - p) / N: with 400,
1.1 points at 95 %. --quick runs three small simulations, to see that all of it works.
"""

import sys
import warnings

import numpy as np
from _common import machine, parser, write_json
from joblib import Parallel, delayed
from scipy import special
from scipy.stats import norm

FEW_LABELS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
# Posters of each genre among the 4000 of the other studies.
GENRES = [752, 477, 149, 232, 1577, 645, 339, 2019, 246, 256, 120, 279, 180, 61, 264]
GENRES += [7, 10, 2, 743, 225, 27, 112, 512, 82, 31]
GENRES = np.array(GENRES) / 4000
LARGEST_GROUP, WITHIN_GROUP = 5, 0.7
SIGNALS = (0.0, 0.1, 0.3, 1.0)
BLIND_SPREAD = 0.01  # Of logits that know nothing: as good as label frequencies.
RARE = range(1, 6)  # Positives of a label, 5 for more.
SIZES = {"100x8": 100, "300x8": 300, "1000x8": 1000, "600x25": 600}
DRAWN = ("rows", "groups")
COMPARED = ["macro average precision", "macro F1", "macro ROC-AUC"]
BY_ROW = ["micro F1", "hamming loss", "log loss"]  # "bca" is offered for them too.


def draw_groups(n_rows, random):
    sizes = random.integers(1, LARGEST_GROUP + 1, n_rows)
    return np.repeat(np.arange(n_rows), sizes)[:n_rows]


def draw_normal(shape, groups, random):
    """Return standard normal numbers, alike within groups."""
    own = random.normal(size=shape)
    if groups is None:
        return own
    shared = random.normal(size=shape)[groups]
    return np.sqrt(WITHIN_GROUP) * shared + np.sqrt(1 - WITHIN_GROUP) * own


def draw_probabilities(noise, y, prevalence, signal):
    """Return what is likely given noise that is shifted where a label is true."""
    if signal == 0:
        return special.expit(special.logit(prevalence) + BLIND_SPREAD * noise)
    return special.expit(
        special.logit(prevalence) + signal * (noise + signal * y) - signal**2 / 2
    )


def draw(n_rows, by, seed, prevalence=FEW_LABELS):
    """Return labels, groups, prevalences and a generator for what else is drawn."""
    random = np.random.default_rng(seed)
    groups = draw_groups(n_rows, random) if by == "groups" else None
    shape = (n_rows, len(prevalence))
    y = (draw_normal(shape, groups, random) < norm.ppf(prevalence)).astype(int)
    return y, groups, prevalence, random


def simulate_report(size, by, seed, n_bootstrap):
    """Return what reports on models of each signal say."""
    from sk_posters.metrics import multilabel_report

    prevalence = GENRES if size.endswith("x25") else FEW_LABELS
    y, groups, prevalence, random = draw(SIZES[size], by, seed, prevalence)
    found = {}
    for signal in SIGNALS:
        noise = draw_normal(y.shape, groups, random)
        report = multilabel_report(
            y,
            draw_probabilities(noise, y, prevalence, signal),
            thresholds=prevalence,
            groups=groups,
            n_bootstrap=n_bootstrap,
            random_state=seed[-1],
        )
        scores = report.scores
        starred = [x is not None and bool(x) for x in scores["beats trivial"]]
        found[signal] = {
            "names": scores.index.tolist(),
            "bounds": scores[["value", "low", "high"]].to_numpy(float),
            "starred": np.array(starred, dtype=float),
            "support": report.labels["support"].to_numpy(),
            "labels starred": (report.labels["low"] > report.labels["chance"]).mean(),
            "by support": star_by_support(report.labels),
        }
    return found


def star_by_support(labels):
    """Return how many labels there are, and how many starred, by their positives."""
    starred = (labels["low"] > labels["chance"]).to_numpy()
    support = np.minimum(labels["support"].to_numpy(), 5)
    return np.array([[np.sum(support == n), starred[support == n].sum()] for n in RARE])


def simulate_comparison(n_rows, by, seed, n_bootstrap):
    """Return by method and score whether two equal models seem to differ."""
    from sk_posters.metrics import compare_models

    y, groups, prevalence, random = draw(n_rows, by, seed)
    shared, *own = (draw_normal(y.shape, groups, random) for _ in range(3))
    scores = [
        draw_probabilities(np.sqrt(0.5) * (shared + noise), y, prevalence, 1.0)
        for noise in own
    ]
    found = {}
    for method, metrics in {"percentile": COMPARED + BY_ROW, "bca": BY_ROW}.items():
        differences = compare_models(
            y,
            *scores,
            metric=metrics,
            method=method,
            thresholds=prevalence,
            groups=groups,
            n_bootstrap=n_bootstrap,
            random_state=seed[-1],
        ).differences
        differs = (differences["low"] > 0) | (differences["high"] < 0)
        found |= {(method, name): differs[name] for name in metrics}
    return found


def summarise_reports(runs):
    """Return shares over all simulations of a setting."""
    useful = [run[SIGNALS[-1]]["bounds"] for run in runs]
    value, low, high = np.moveaxis(np.array(useful), 2, 0)
    truth = np.nanmean(value, axis=0)
    known = ~np.isnan(low)
    holds = (low <= truth) & (truth <= high) & known
    rare = sum(run[0.0]["by support"] for run in runs)
    return {
        "names": runs[0][0.0]["names"],
        "coverage": share(holds.sum(axis=0), known.sum(axis=0)),
        "stars": {
            signal: np.mean([run[signal]["starred"] for run in runs], axis=0).tolist()
            for signal in SIGNALS
        },
        "stars of labels": {
            signal: float(np.mean([run[signal]["labels starred"] for run in runs]))
            for signal in SIGNALS
        },
        "false stars by positives": share(rare[:, 1], rare[:, 0]),
    }


def share(part, whole):
    with np.errstate(invalid="ignore"):
        shares = np.asarray(part, dtype=float) / whole
    return [None if np.isnan(each) else float(each) for each in shares]


def print_setting(title, found, n_sims):
    print(f"\n{title}, {n_sims} simulations, shares in %")
    heads = ["coverage", *(f"stars at {signal:g}" for signal in SIGNALS)]
    print(f"{'':24}" + "".join(f"{head:>13}" for head in heads))
    for number, name in enumerate(found["names"]):
        row = [found["coverage"][number]]
        row += [found["stars"][signal][number] for signal in SIGNALS]
        print(f"{name:24}" + "".join(f"{percent(each):>13}" for each in row))
    row = "".join(f"{percent(found['stars of labels'][s]):>13}" for s in SIGNALS)
    print(f"{'single labels':24}{'':>13}{row}")
    rare = [percent(each) for each in found["false stars by positives"]]
    print(f"false stars of labels with 1, 2, 3, 4, 5 or more positives: {rare}")
    sys.stdout.flush()


def percent(value):
    return "-" if value is None else f"{100 * value:.1f}"


def study_reports(options, run):
    rows = []
    for size in options.sizes:
        for by in options.by:
            found = run(
                delayed(simulate_report)(size, by, [SIZES[size], k], options.resamples)
                for k in range(options.repeat)
            )
            summary = summarise_reports(found)
            print_setting(f"{size}, by {by}", summary, options.repeat)
            rows.append({"rows x labels": size, "by": by, **summary})
    return rows


def study_comparisons(options, run):
    rows = []
    for n_rows in [100] if options.quick else [300, 1000]:
        for by in options.by:
            found = run(
                delayed(simulate_comparison)(n_rows, by, [n_rows, k], options.resamples)
                for k in range(options.repeat)
            )
            print(f"\nType I error, {n_rows} rows, by {by}, {options.repeat} pairs")
            for method, name in found[0]:
                rate = float(np.mean([each[method, name] for each in found]))
                print(f"{method:12}{name:24}{percent(rate):>8}", flush=True)
                row = {"rows": n_rows, "by": by, "method": method, "score": name}
                rows.append({**row, "Type I error": rate})
    return rows


STUDIES = {"reports": study_reports, "comparisons": study_comparisons}


def main(arguments=None):
    options = parser(__doc__, data=False, repeat=400)
    options.add_argument(
        "--resamples", type=int, default=300, help="resamples (default: 300)"
    )
    options.add_argument(
        "--jobs", type=int, default=2, help="processes at a time (default: 2)"
    )
    options.add_argument(
        "--part",
        choices=STUDIES,
        nargs="+",
        default=list(STUDIES),
        help="what to study",
    )
    options.add_argument(
        "--sizes",
        choices=SIZES,
        nargs="+",
        default=list(SIZES),
        help="rows x labels of the reports (default: all)",
    )
    options.add_argument(
        "--by",
        choices=DRAWN,
        nargs="+",
        default=list(DRAWN),
        help="what is independent (default: both)",
    )
    options.add_argument("--quick", action="store_true", help="run a tiny one")
    options = options.parse_args(arguments)
    if options.quick:
        options.repeat, options.resamples, options.jobs = 3, 20, 1
        options.sizes = options.sizes[:1]
    warnings.simplefilter("ignore", UserWarning)  # A sample may lack a label.
    run = Parallel(n_jobs=options.jobs)
    found = {part: STUDIES[part](options, run) for part in options.part}
    content = {
        "machine": machine(),
        "simulations": options.repeat,
        "resamples": options.resamples,
        **found,
    }
    write_json(options, "study_intervals", content)


if __name__ == "__main__":
    main()
