"""Scores of multi-label answers, beside what answers without a model would score.

Everything here takes what any classifier returns, ours or another's. Nothing is
registered with scikit-learn: `get_multilabel_scorer` gives the scorers to use.
"""

from sk_posters.metrics._average_precision import mean_average_precision_score
from sk_posters.metrics._compare import ModelComparison, compare_models
from sk_posters.metrics._report import MultilabelReport, multilabel_report
from sk_posters.metrics._scorers import (
    get_multilabel_scorer,
    get_multilabel_scorer_names,
)
from sk_posters.metrics._trivial import scores_beside_trivial

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
