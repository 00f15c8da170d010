"""How far are the labels of a fold from their shares in all rows, and at what cost?

For each splitter and many seeds: the worst label's deviation in the worst of five test
folds, in percentage points of all rows, and relative to the label's own frequency (of
labels that have a positive for each fold); and how many groups stand on both sides.
Then the seconds of one split of more rows, drawn with replacement from the same table.
The iterative-stratification package takes part where it is installed.
"""

import importlib.util
import warnings

import numpy as np
from _common import Side, in_turn, load, parsed, parser, report
from _side import seconds_of

N_FOLDS = 5
SPLITTERS = [
    "KFold",
    "ShuffleSplit",
    "GroupKFold",
    "iterative-stratification",
    "ours",
    "ours, groups",
]
ABSOLUTE = "worst label, percentage points"
RELATIVE = "worst label, relative"
SIZES = "largest fold - smallest, rows"
ON_BOTH_SIDES = "groups on both sides"


def splitter(name, seed):
    from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

    from sk_posters import model_selection

    if name == "ShuffleSplit":
        return ShuffleSplit(N_FOLDS, test_size=1 / N_FOLDS, random_state=seed)
    if name == "iterative-stratification":
        from iterstrat.ml_stratifiers import MultilabelStratifiedKFold as Folds
    else:
        Folds = {
            "KFold": KFold,
            "GroupKFold": GroupKFold,
            "ours": model_selection.MultilabelStratifiedKFold,
            "ours, groups": model_selection.MultilabelStratifiedGroupKFold,
        }[name]
    return Folds(N_FOLDS, shuffle=True, random_state=seed)


def tests_of(name, seed, target, groups):
    """Return the test rows of each split."""
    groups = groups if name in ("GroupKFold", "ours, groups") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Some labels are too rare.
        splits = splitter(name, seed).split(target, target, groups)
        return [test for _, test in splits]


def measure(job):
    target, groups = np.array(job.target), np.array(job.groups)
    figures = [
        deviations(tests_of(job.splitter, seed, target, groups), target, groups)
        for seed in range(job.n_seeds)
    ]
    result = {
        name: float(np.median([each[name] for each in figures])) for name in figures[0]
    }
    result[f"{ABSOLUTE}, worst seed"] = max(each[ABSOLUTE] for each in figures)
    result[f"{RELATIVE}, worst seed"] = max(each[RELATIVE] for each in figures)
    generator = np.random.default_rng(0)
    for n_rows in job.rows:
        rows = generator.integers(0, len(target), n_rows)
        ids = np.arange(n_rows) // 2
        result[f"seconds of {n_rows} rows"] = seconds_of(
            lambda rows=rows, ids=ids: tests_of(job.splitter, 0, target[rows], ids)
        )
    return result


def deviations(tests, target, groups):
    """Return how far test rows are from all rows, and how many groups they part."""
    frequency = target.mean(axis=0)
    shares = np.array([target[test].mean(axis=0) for test in tests])
    distance = np.abs(shares - frequency)
    enough = target.sum(axis=0) >= len(tests)
    sizes = [len(test) for test in tests]
    parted = [
        len(np.intersect1d(groups[test], np.delete(groups, test))) for test in tests
    ]
    return {
        ABSOLUTE: 100 * float(distance.max()),
        RELATIVE: float((distance / np.maximum(frequency, 1e-12))[:, enough].max()),
        SIZES: max(sizes) - min(sizes),
        ON_BOTH_SIDES: sum(parted),
    }


def least_possible(target):
    """Return the deviations of the worst labels if all were dealt out evenly."""
    share = target.sum(axis=0) / N_FOLDS  # Positives are whole: some folds have more.
    distance = np.maximum(np.ceil(share) - share, share - np.floor(share))
    return {
        f"{ABSOLUTE}, least possible": float(100 * (distance * N_FOLDS).max())
        / len(target),
        f"{RELATIVE}, least possible": float(
            (distance / np.maximum(share, 1))[share >= 1].max()
        ),
    }


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=1000)
    options.add_argument(
        "--n-seeds", type=int, default=20, help="seeds of each splitter (default: 20)"
    )
    options.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[7000, 100_000],
        help="rows of the splits that are timed (default: 7000 100000)",
    )
    options = parsed(options, arguments)
    posters = load(options.data, options.n_samples)
    # A table is taken whole: some labels are too rare for a part of it.
    rows = slice(None) if options.data else slice(options.n_samples)
    target = posters.target.to_numpy()[rows]
    job = {
        "target": target.tolist(),
        "groups": [str(group) for group in posters.groups[rows]],
        "n_seeds": options.n_seeds,
        "rows": options.rows,
    }
    sides = {
        name: Side("measure", changes={"splitter": name})
        for name in SPLITTERS
        if name != "iterative-stratification" or importlib.util.find_spec("iterstrat")
    }
    runs = in_turn(__file__, sides, job, options.repeat)
    report(__file__, options, runs, derived=least_possible(target))


if __name__ == "__main__":
    main()
