"""Splits of multi-label data that keep each label's share, and groups together."""

from sk_posters.model_selection._split import (
    MultilabelStratifiedGroupKFold,
    MultilabelStratifiedKFold,
    multilabel_train_test_split,
)

__all__ = [
    "MultilabelStratifiedGroupKFold",
    "MultilabelStratifiedKFold",
    "multilabel_train_test_split",
]
