"""Past one machine: answers for any number of posters, partition by partition."""

from sk_posters.distributed._predict import (
    PartitionedAnswers,
    PartitionError,
    dask_backend,
    predict_to_parquet,
    prepare_workers,
)

__all__ = [
    "PartitionError",
    "PartitionedAnswers",
    "dask_backend",
    "predict_to_parquet",
    "prepare_workers",
]
