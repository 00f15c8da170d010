"""What does Dask cost on one machine, where joblib's own processes would do?

Two workers of Dask against two processes of joblib, both warm, in turn: a search of
six candidates on five folds over features of the posters, refit included, by
`dask_backend`, by joblib's own backend for Dask, and by `n_jobs=2`; and answers for all
posters, from files to Parquet by `predict_to_parquet`, against the same partitions by
`joblib.Parallel`, which leaves its answers in memory. Each process has one thread, and
all sides must give the same.
"""

import contextlib
import itertools
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import Side, in_turn, job_of, median, parsed, parser, report
from _side import seconds_in_turn

SIDES = {"search": Side("search"), "answers": Side("answers")}
N_PROCESSES = 2
CANDIDATES = {"classifier__estimator__C": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]}
JOBLIB, DASK = "by joblib, s", "by Dask, s"
NESTED = "by Dask as joblib does it, nested, s"
START = "start of the cluster, s"
SPEED = "posters per second, by Dask"


@contextlib.contextmanager
def cluster():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=N_PROCESSES, threads_per_worker=1, dashboard_address=":0"
        ) as workers,
        Client(workers) as client,
    ):
        yield client


def pipeline():
    from sk_posters import make_poster_pipeline

    return make_poster_pipeline(encoder__n_jobs=1)


def search(job):
    import joblib
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    from sk_posters.distributed import dask_backend

    encoder, *head = pipeline().steps
    features = encoder[1].set_params(n_jobs=-1).transform(job.paths)
    target = np.array(job.target)
    found = {}

    def run(name, n_jobs):
        grid = GridSearchCV(
            Pipeline(head),
            CANDIDATES,
            cv=5,
            n_jobs=n_jobs,
            scoring="neg_mean_squared_error",  # Defined where a label is in no fold.
        )
        found[name] = grid.fit(features, target).cv_results_["mean_test_score"]

    def by_dask():
        with dask_backend(client):
            run(DASK, -1)

    def nested():
        with joblib.parallel_config(backend="dask", client=client):
            run(NESTED, None)

    started = time.perf_counter()
    # As many threads for this process, which refits, as the others have.
    with cluster() as client, threadpool_limits(1):
        start = time.perf_counter() - started
        functions = {JOBLIB: lambda: run(JOBLIB, N_PROCESSES), DASK: by_dask}
        functions[NESTED] = nested
        seconds = seconds_in_turn(functions, job.rounds, warm_up=1)
    np.testing.assert_array_equal(found[DASK], found[JOBLIB])
    np.testing.assert_array_equal(found[NESTED], found[JOBLIB])
    return {**seconds, START: start}


def answers(job):
    from joblib import Parallel, delayed

    from sk_posters import save_model
    from sk_posters.distributed import predict_to_parquet

    model = pipeline().fit(job.paths[:200], np.array(job.target)[:200])
    size = -(-len(job.paths) // job.partitions)
    partitions = [
        job.paths[start : start + size] for start in range(0, len(job.paths), size)
    ]
    found = {}

    with tempfile.TemporaryDirectory() as folder, cluster() as client:
        file, numbers = Path(folder, "genres.model"), itertools.count()
        save_model(model, file)

        def by_joblib():
            ask = delayed(model.predict_proba)
            found[JOBLIB] = Parallel(N_PROCESSES)(map(ask, partitions))

        def by_dask():
            found[DASK] = Path(folder, f"answers {next(numbers)}")
            options = {"partition_size": size, "client": client}
            predict_to_parquet(file, job.paths, found[DASK], **options)

        functions = {JOBLIB: by_joblib, DASK: by_dask}
        seconds = seconds_in_turn(functions, job.rounds, warm_up=1)
        check(found[DASK], np.concatenate(found[JOBLIB]))
        shutil.rmtree(found[DASK])
    return {**seconds, SPEED: len(job.paths) / seconds[DASK]}


def check(folder, expected):
    import pandas as pd

    values = pd.read_parquet(folder).drop(columns=["path", "error"])
    np.testing.assert_array_equal(values, expected)


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=1000)
    options.add_argument(
        "--rounds", type=int, default=5, help="timed rounds in a process (default: 5)"
    )
    options.add_argument(
        "--partitions", type=int, default=10, help="of the posters (default: 10)"
    )
    checked = parsed(options, arguments)
    if checked.rounds < 1 or checked.partitions < 1:
        options.error("--rounds and --partitions must be 1 or more")
    runs = in_turn(__file__, SIDES, job_of(checked), checked.repeat)
    derived = {
        f"{side}, overhead of Dask, %": 100
        * (median(runs, side, DASK) / median(runs, side, JOBLIB) - 1)
        for side in SIDES
    }
    report(__file__, checked, runs, derived=derived)


if __name__ == "__main__":
    main()
