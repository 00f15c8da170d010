"""Prediction for any number of posters, partition by partition, also on a cluster."""

import os
from numbers import Integral
from typing import NamedTuple

from joblib import parallel_config

from sk_posters._base._compat import HasMethods, Interval, StrOptions, validate_params
from sk_posters._base._optional import import_optional
from sk_posters._images._sources import check_sources, is_source
from sk_posters.distributed._folder import open_folder
from sk_posters.distributed._joblib_backend import one_level_backend
from sk_posters.distributed._partition import (
    find_finished_partition,
    forget_models,
    part_file,
    predict_partition,
)
from sk_posters.distributed._scheduler import DaskExecutor, SerialExecutor
from sk_posters.distributed._workers import prepare_process, settings_of_process
from sk_posters.exceptions import PartitionError

__all__ = [
    "PartitionError",
    "PartitionedAnswers",
    "dask_backend",
    "predict_to_parquet",
    "prepare_workers",
]


class PartitionedAnswers(NamedTuple):
    """What :func:`predict_to_parquet` has made.

    Parameters
    ----------
    folder : str
        The folder of predictions, for ``pandas.read_parquet`` or
        ``dask.dataframe.read_parquet``.
    n_rows : int
        Number of posters, one row each.
    n_failed : int
        Number of those whose file cannot be used; the column ``error`` says why.
    n_partitions : int
        Number of files in the folder.
    n_computed : int
        Number of those that this call has made; the others were finished.

    Examples
    --------
    >>> from sk_posters.distributed import PartitionedAnswers
    >>> made = PartitionedAnswers("predictions", 2500, 1, 3, 2)
    >>> made.n_partitions - made.n_computed
    1
    """

    folder: str
    n_rows: int
    n_failed: int
    n_partitions: int
    n_computed: int


@validate_params(
    {
        "model": [str, os.PathLike, HasMethods("get_params")],
        "paths": "no_validation",
        "folder": [str, os.PathLike],
        "method": [StrOptions({"predict", "predict_proba", "transform"})],
        "partition_size": [Interval(Integral, 1, None, closed="left")],
        "label_names": ["array-like", None],
        "trusted": [list, tuple, set],
        "client": [HasMethods("submit"), None],
    },
    prefer_skip_nested_validation=True,
)
def predict_to_parquet(
    model,
    paths,
    folder,
    *,
    method="predict_proba",
    partition_size=1000,
    label_names=None,
    trusted=(),
    client=None,
):
    """Predict any number of posters, with one Parquet file per partition of them.

    Called again after a crash, it computes the partitions that are not finished, and
    those with a file that could not be opened and now can be.

    Parameters
    ----------
    model : str, path-like or estimator
        A file that :func:`~sk_posters.save_model` wrote, or a fitted pipeline that
        takes paths. Each process loads it once.
    paths : iterable of str, or Dask bag, array, series or one-column dataframe
        The posters: paths, or what else :class:`~sk_posters.PosterImageLoader` takes,
        such as bytes of image files. What Dask holds keeps its partitions, and stays on
        the workers.
    folder : str or path-like
        Where the predictions go. With `client`, all workers must see it, and the
        posters, under the same path.
    method : {"predict_proba", "predict", "transform"}, default="predict_proba"
        The method to call; `"transform"` gives the features of an encoder.
    partition_size : int, default=1000
        Posters per partition, unless `paths` are of Dask. A killed worker loses what it
        has begun, at most one partition per thread.
    label_names : array-like of str, default=None
        Names of the columns. None takes those of the model card, or else
        ``label_0`` and so on; `"transform"` has its own names.
    trusted : list of str, default=()
        As in :func:`~sk_posters.load_model`.
    client : distributed.Client, default=None
        The cluster to work on. None works in this process, one partition after the
        other.

    Returns
    -------
    PartitionedAnswers
        Folder and counts.

    Raises
    ------
    PartitionError
        If partitions failed. The others are finished.
    ValueError
        If the folder holds other files, or predictions of another model, another
        method or other posters.
    ModelFileError
        If the model cannot be saved or read. It is a ValueError.
    ImportError
        If a package is missing: ``pip install "sk-posters[distributed,models]"``.

    See Also
    --------
    prepare_workers : Gives each worker its share of threads, and a GPU.

    Notes
    -----
    A row has the column ``path`` (for an image in memory its row, such as ``"row 3:
    bytes (12,345 B)"``), the predictions, and the column ``error``: empty, or
    why the file cannot be used. Then its predictions are empty, whatever `on_error` the
    model has, and the other rows are as they would be without it. Rows are in the order
    of `paths`. A file that could not be opened, as when a disk was away, is tried again
    by the next call; an image that was read and refused is not. A path that is not
    UTF-8 is written as its ``file:`` URI, as ``pathlib.Path.as_uri`` gives it.

    A file is written under a temporary name and then renamed, so it is there whole or
    not at all. It carries the fingerprints of the model and of its posters, and
    checksums: a damaged one is made again. Files of equal partitions are equal to
    the last byte, on a cluster as in one process, for models without TensorFlow. The
    sums of TensorFlow depend on its number of threads, see :func:`prepare_workers`.

    The folder also holds the model, as ``_model.skops``: with it as `model`, a
    run can be finished after its pipeline is gone. Features are cached in the folder
    that the environment variable ``SK_POSTERS_CACHE`` of the workers names.

    A partition whose worker is killed is taken over by another one. After Dask's
    ``allowed-failures`` it is tried alone, and then counts as failed.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_posters import make_poster_pipeline
    >>> from sk_posters.datasets import make_posters
    >>> from sk_posters.distributed import predict_to_parquet
    >>> posters = make_posters(20, n_labels=2, image_size=(48, 32), random_state=0)
    >>> model = make_poster_pipeline(image_size=(48, 32))
    >>> model = model.fit(posters.data, posters.target)
    >>> paths = [*posters.data, "no_such.jpg"]
    >>> made = predict_to_parquet(
    ...     model, paths, "out", partition_size=8, label_names=["Action", "Drama"]
    ... )
    >>> made.n_rows, made.n_failed, made.n_computed
    (21, 1, 3)
    >>> pd.read_parquet("out").columns.tolist()
    ['path', 'Action', 'Drama', 'error']
    >>> predict_to_parquet(model, paths, "out", partition_size=8,
    ...                    label_names=["Action", "Drama"]).n_computed
    0
    """
    import_optional(
        "pyarrow.parquet", extra="distributed", purpose="predict_to_parquet"
    )
    partitions = _partitions(paths, partition_size)
    job = open_folder(
        folder,
        model,
        method=method,
        label_names=label_names,
        trusted=trusted,
        n_partitions=len(partitions),
    )
    work = SerialExecutor() if client is None else DaskExecutor(client)
    begun = {
        number: paths
        for number, paths in enumerate(partitions)
        if part_file(job.folder, number).exists()
    }
    # First of all, so that nothing is written into a folder that is of other posters.
    found = _results(work, find_finished_partition, begun, job, len(partitions))
    counts = {number: count for number, count in found.items() if count is not None}
    missing = {
        number: paths for number, paths in enumerate(partitions) if number not in counts
    }
    try:
        counts |= _results(work, predict_partition, missing, job, len(partitions))
    finally:
        forget_models()
    return PartitionedAnswers(
        job.folder,
        sum(count.n_rows for count in counts.values()),
        sum(count.n_failed for count in counts.values()),
        len(partitions),
        len(missing),
    )


@validate_params(
    {"client": [HasMethods(["submit", "scatter"])]}, prefer_skip_nested_validation=True
)
def dask_backend(client):
    """Let searches and cross-validation with ``n_jobs=-1`` work on a cluster.

    Within ``with dask_backend(client):``, whatever has `n_jobs` other than None and 1
    goes to the workers, and what it calls there stays within one worker.

    Parameters
    ----------
    client : distributed.Client
        The cluster.

    Returns
    -------
    joblib.parallel_config
        A context manager.

    Raises
    ------
    ImportError
        If Dask is missing: ``pip install "sk-posters[distributed]"``.

    See Also
    --------
    predict_to_parquet : Predictions for any number of posters.

    Notes
    -----
    ``joblib.parallel_config(backend="dask")`` also works and gives equal scores, but
    also sends the fits of single labels to the cluster, which takes longer than these
    fits.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from sklearn.model_selection import cross_val_score
    >>> from sk_posters.distributed import dask_backend
    >>> client = Client("scheduler:8786")  # doctest: +SKIP
    >>> with dask_backend(client):  # doctest: +SKIP
    ...     cross_val_score(model, paths, target, n_jobs=-1)
    """
    return parallel_config(backend=one_level_backend(client))


@validate_params(
    {
        "client": [HasMethods("register_plugin")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "pin_gpus": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def prepare_workers(client, *, n_threads=None, pin_gpus=True):
    """Give each worker its share of TensorFlow's threads, and its own GPU.

    TensorFlow takes all cores and all GPUs it sees, in each process. Call this before
    the workers do anything else; those that join or are restarted later are prepared,
    too.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    n_threads : int or None, default=None
        Threads for TensorFlow in each worker. None takes as many as the worker itself
        has (``--nthreads``). TensorFlow's sums depend on this number in their last
        digits: for equal predictions elsewhere, set ``TF_NUM_INTRAOP_THREADS`` to it.
    pin_gpus : bool, default=True
        Whether each worker of a host with GPUs gets one of them. It is freed when the
        worker ends, however it does.

    Returns
    -------
    dict of str to dict
        By address of the worker, the environment variables it was given.

    Raises
    ------
    RuntimeError
        If workers have loaded TensorFlow before, or a host has fewer GPUs than workers.
    ImportError
        If Dask is missing: ``pip install "sk-posters[distributed]"``.

    See Also
    --------
    predict_to_parquet : Predictions for any number of posters.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from sk_posters.distributed import prepare_workers
    >>> client = Client("scheduler:8786")  # doctest: +SKIP
    >>> prepare_workers(client, n_threads=4)  # doctest: +SKIP
    """
    dask = import_optional(
        "distributed", extra="distributed", purpose="prepare_workers"
    )

    # Made here, because its base class is there with Dask only.
    class PrepareProcess(dask.WorkerPlugin):
        def setup(self, worker):
            prepare_process(n_threads or worker.state.nthreads, pin_gpus)

    client.register_plugin(PrepareProcess(), name="sk_posters")
    return client.run(settings_of_process)


def _partitions(paths, size):
    """Return the posters of each partition: lists, or what Dask knows of them."""
    if not hasattr(paths, "to_delayed"):
        is_array = is_source(paths) or hasattr(paths, "shape")
        paths = check_sources(paths if is_array else list(paths), "paths").tolist()
        return [paths[start : start + size] for start in range(0, len(paths), size)]
    columns = getattr(paths, "columns", None)
    if getattr(paths, "ndim", 1) != 1 and (columns is None or len(columns) != 1):
        raise ValueError(
            "paths must be a Dask collection of one dimension, or a dataframe with one "
            f"column: got {paths!r}. Pass the column that holds the paths."
        )
    delayed = paths.to_delayed()
    return list(getattr(delayed, "flat", delayed))


def _results(work, function, partitions, job, n_partitions):
    results, failed = work.run(function, partitions, job)
    for error in failed.values() if function is find_finished_partition else ():
        if isinstance(error, ValueError):
            raise error
    if failed:
        error = PartitionError(job.folder, failed, n_partitions)
        raise error from next(iter(failed.values()))
    return results
