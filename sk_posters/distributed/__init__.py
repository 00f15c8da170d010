"""Prediction for any number of posters, partition by partition, also on a cluster."""

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
