"""How do time and memory grow with rows and with labels?

Each job below runs at every number of rows with `--few-labels` labels, and at every
number of labels with `--few-rows` rows, in a process of its own: its seconds and the
peak memory of the process. From the two largest sizes follows the exponent of the
growth: 1 is in proportion, 2 is quadratic. That of memory is of what a size takes
beyond the smallest one: all that Python and the packages need is left out.

Labels and scores are drawn. Jobs named *drawn files* are given what decoding would tell
of files, all of them different, and open none: a million files would take hours for
decoding alone. *predict, stub* gives each path a row of features without opening it.
All other jobs that take paths repeat those of a few hundred small files.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
from _common import Side, in_turn, median, parsed, parser, report
from _side import PEAK, memory_mb, seconds_of

SECONDS = "seconds"
BEFORE = "memory before it, MB"
FILES = 300  # More than the command answers at a time.
N_BOOTSTRAP = 20
N_FEATURES = 8


def labels_of(job):
    """Return 0/1 for each row and label: some labels frequent, most of them rare."""
    generator = np.random.default_rng(0)
    shares = np.geomspace(0.4, 0.005, job.labels)
    return (generator.random((job.rows, job.labels)) < shares).astype(int)


def scores_of(labels):
    """Return probabilities that know something of the labels."""
    noise = np.random.default_rng(1).random(labels.shape)
    return 0.7 * noise + 0.3 * labels


def repeated_files(folder, rows):
    """Return paths, one per row, of small files that repeat."""
    from PIL import Image

    generator = np.random.default_rng(2)
    paths = [str(Path(folder, f"{number}.png")) for number in range(min(FILES, rows))]
    for path in paths:
        pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return [paths[row % len(paths)] for row in range(rows)]


def measured(function):
    """Time a call, in a process whose memory was that before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Labels are rare by intention.
        before = memory_mb(peak=False)
        return {SECONDS: seconds_of(function), BEFORE: before}


def check(job):
    from sk_posters import check_posters

    labels = labels_of(job)
    with TemporaryDirectory() as folder:
        paths = repeated_files(folder, job.rows)
        return measured(lambda: check_posters(paths, labels, splits=halves(job.rows)))


def check_drawn(job):
    from sk_posters import check_posters
    from sk_posters.datasets._checks import _check

    labels = labels_of(job)
    paths = [f"{number}.jpg" for number in range(job.rows)]
    ids = np.arange(job.rows) // 2
    with mock.patch.object(_check, "read_facts", drawn_facts):
        return measured(
            lambda: check_posters(paths, labels, ids, splits=halves(job.rows))
        )


def halves(rows):
    """Return a split that parts every pair of neighbours."""
    return [(np.arange(0, rows, 2), np.arange(1, rows, 2))]


def drawn_facts(paths, **options):
    """Say of each path what decoding would: one in ten is nearly like its neighbour."""
    from sk_posters.datasets._checks._files import PosterFacts

    draw = np.random.default_rng(3).integers
    codes = draw(0, 2**63, (len(paths), 2), dtype=np.uint64)  # And of mirror images.
    codes[9::10] = codes[8::10][: len(codes[9::10])] ^ np.uint64(1)
    return {
        path: PosterFacts(None, 444, 300, 50.0, path.encode(), path.encode(), *both)
        for path, both in zip(paths, codes.tolist(), strict=True)
    }


def folds(job):
    from sk_posters.model_selection import MultilabelStratifiedKFold

    labels = labels_of(job)
    splitter = MultilabelStratifiedKFold(5, shuffle=True, random_state=0)
    return measured(lambda: list(splitter.split(labels, labels)))


def group_folds(job):
    from sk_posters.model_selection import MultilabelStratifiedGroupKFold

    labels = labels_of(job)
    splitter = MultilabelStratifiedGroupKFold(2, shuffle=True, random_state=0)
    groups = np.arange(job.rows) // 2
    return measured(lambda: list(splitter.split(labels, labels, groups)))


def train_test(job):
    from sk_posters.model_selection import multilabel_train_test_split

    labels, rows = labels_of(job), np.arange(job.rows)
    return measured(
        lambda: multilabel_train_test_split(rows, stratify=labels, random_state=0)
    )


def scores(job):
    from sk_posters.metrics import multilabel_report

    labels = labels_of(job)
    given = scores_of(labels)
    return measured(
        lambda: str(
            multilabel_report(labels, given, n_bootstrap=N_BOOTSTRAP, random_state=0)
        )
    )


def thresholds(job):
    from sklearn.base import BaseEstimator, ClassifierMixin

    from sk_posters import MultilabelTunedThresholdClassifierCV

    class Known(ClassifierMixin, BaseEstimator):
        """A fitted classifier whose scores are its input."""

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return X

        def __sklearn_is_fitted__(self):
            return True

    labels = labels_of(job)
    tuned = MultilabelTunedThresholdClassifierCV(Known(), cv="prefit", refit=False)
    given = scores_of(labels)
    return measured(lambda: tuned.fit(given, labels).predict(given))


def table(job):
    from sk_posters.datasets import load_poster_table

    names = [f"label {number}" for number in range(job.labels)]
    with TemporaryDirectory() as folder:
        ids = [Path(path).stem for path in repeated_files(folder, job.rows)]
        csv = Path(folder, "train.csv")
        with open(csv, "w") as file:
            print("Id", *names, sep=",", file=file)
            for name, row in zip(ids, labels_of(job).tolist(), strict=True):
                print(name, *row, sep=",", file=file)
        return measured(lambda: load_poster_table(csv, folder))


def predict_stub(job):
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    front = FunctionTransformer(lambda paths: np.ones((len(paths), N_FEATURES)))
    model = Pipeline([("images", front), ("head", fitted_head(job.labels, N_FEATURES))])
    paths = ((f"{number}.jpg", None) for number in range(job.rows))
    return answered(model, paths, job)


def predict_cached(job):
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterEncoder

    with TemporaryDirectory() as folder:
        paths = repeated_files(folder, job.rows)
        encoder = PosterEncoder(image_size=(32, 32), cache_dir=folder)
        n_features = encoder.fit_transform(paths[:FILES]).shape[1]
        head = fitted_head(job.labels, n_features)
        model = Pipeline([("features", encoder), ("head", head)])
        return answered(model, ((path, None) for path in paths), job)


def fitted_head(n_labels, n_features):
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    generator = np.random.default_rng(4)
    X = generator.random((64, n_features))
    y = generator.integers(0, 2, (64, n_labels))
    return OneVsRestClassifier(LogisticRegression()).fit(X, y)


def answered(model, paths, job):
    """Stream answers with all probabilities into a file, as the command does."""
    from sk_posters.cli._streaming import Predictor
    from sk_posters.cli._writers import open_writer

    names = [f"label {number}" for number in range(job.labels)]

    def stream():
        predictor = Predictor(model, names, probabilities=True)
        with TemporaryDirectory() as folder:
            file = Path(folder, "answers.csv")
            with open_writer(file, "csv", names, True) as writer:
                for prediction in predictor.predict(paths):
                    writer.write(prediction)

    return measured(stream)


JOBS = {
    "check": check,
    "check, drawn files": check_drawn,
    "table": table,
    "folds": folds,
    "folds of groups": group_folds,
    "train and test": train_test,
    "report": scores,
    "thresholds": thresholds,
    "predict, stub": predict_stub,
    "predict, cached": predict_cached,
}


def exponent(sizes, values):
    """Return the slope between the two largest sizes on logarithmic axes."""
    (small, large), (first, last) = sizes[-2:], values[-2:]
    return float(np.log(last / first) / np.log(large / small))


def name_of(job, rows, labels):
    return f"{job}: {rows} rows, {labels} labels"


def derive(runs, jobs, rows, labels, few_rows, few_labels):
    """Return the exponents of time and memory, in rows and in labels."""
    result = {}
    for job in jobs:
        sweeps = {
            "rows": [(n, name_of(job, n, few_labels)) for n in rows],
            "labels": [(n, name_of(job, few_rows, n)) for n in labels],
        }
        for what, sides in sweeps.items():
            sizes = [size for size, _ in sides]
            for figure in (SECONDS, PEAK):
                values = [median(runs, side, figure) for _, side in sides]
                if figure == PEAK:
                    values = [max(value - values[0], 1) for value in values]
                result[f"{job}, exponent of {figure} in {what}"] = exponent(
                    sizes, values
                )
    return result


def print_markdown(runs, jobs, rows, labels, few_rows, few_labels):
    """Print a row per job: seconds / MB at each size, and the exponents."""
    derived = derive(runs, jobs, rows, labels, few_rows, few_labels)
    heads = [f"{n:,} rows" for n in rows], [f"{n} labels" for n in labels]
    print("\n| job |", " | ".join([*heads[0], "exponents", *heads[1], "exponents"]))
    for job in jobs:
        cells = []
        for what, sides in {
            "rows": [name_of(job, n, few_labels) for n in rows],
            "labels": [name_of(job, few_rows, n) for n in labels],
        }.items():
            for side in sides:
                seconds, peak = (median(runs, side, f) for f in (SECONDS, PEAK))
                cells.append(f"{seconds:.3g} s, {peak:.0f} MB")
            both = [
                derived[f"{job}, exponent of {figure} in {what}"]
                for figure in (SECONDS, PEAK)
            ]
            cells.append("{:.2f}, {:.2f}".format(*both))
        print("|", job, "|", " | ".join(cells), "|")


def main(arguments=None):
    options = parser(__doc__, data=False, repeat=1)

    def numbers(name, default, text):
        options.add_argument(name, type=int, nargs="+", default=default, help=text)

    numbers("--rows", [10, 1000, 100_000, 1_000_000], "numbers of rows")
    numbers("--labels", [1, 2, 25, 500], "numbers of labels")
    options.add_argument(
        "--few-rows", type=int, default=20_000, help="rows where labels vary"
    )
    options.add_argument(
        "--few-labels", type=int, default=25, help="labels where rows vary"
    )
    options.add_argument(
        "--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="what to measure"
    )
    checked = parsed(options, arguments)
    if min(len(set(checked.rows)), len(set(checked.labels))) < 2:
        options.error("--rows and --labels must be two or more different numbers each")
    rows, labels = sorted(set(checked.rows)), sorted(set(checked.labels))
    few_rows, few_labels = checked.few_rows, checked.few_labels
    sizes = [(n, few_labels) for n in rows] + [(few_rows, n) for n in labels]
    sides = {
        name_of(job, *size): Side(
            JOBS[job].__name__, changes={"rows": size[0], "labels": size[1]}
        )
        for job in checked.jobs
        for size in dict.fromkeys(sizes)
    }
    runs = in_turn(__file__, sides, {}, checked.repeat)
    sweeps = checked.jobs, rows, labels, few_rows, few_labels
    report(__file__, checked, runs, derived=derive(runs, *sweeps))
    print_markdown(runs, *sweeps)


if __name__ == "__main__":
    main()
