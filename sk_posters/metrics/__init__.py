"""Scores of multi-label predictions, next to those of baselines.

Everything here takes the predictions of any classifier. Nothing is registered with
scikit-learn: `get_multilabel_scorer` returns the scorers to use.
"""

from sk_posters.metrics._average_precision import mean_average_precision_score
from sk_posters.metrics._baselines import scores_beside_trivial
from sk_posters.metrics._compare import ModelComparison, compare_models
from sk_posters.metrics._report import MultilabelReport, multilabel_report
from sk_posters.metrics._scorers import (
    get_multilabel_scorer,
    get_multilabel_scorer_names,
)

__all__ = [
    "ModelComparison",
    "MultilabelReport",
    "compare_models",
    "get_multilabel_scorer",
    "get_multilabel_scorer_names",
    "mean_average_precision_score",
    "multilabel_report",
    "scores_beside_trivial",
]
