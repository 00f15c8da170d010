"""Pictures of what was learned: Display classes in scikit-learn's manner."""

from sk_posters.plotting._calibration import MultilabelCalibrationDisplay
from sk_posters.plotting._cooccurrence import LabelCooccurrenceDisplay
from sk_posters.plotting._grad_cam import GradCAMDisplay
from sk_posters.plotting._history import TrainingHistoryDisplay
from sk_posters.plotting._label_scores import LabelScoresDisplay
from sk_posters.plotting._poster_grid import PosterGridDisplay
from sk_posters.plotting._threshold_curve import ThresholdCurveDisplay

__all__ = [
    "GradCAMDisplay",
    "LabelCooccurrenceDisplay",
    "LabelScoresDisplay",
    "MultilabelCalibrationDisplay",
    "PosterGridDisplay",
    "ThresholdCurveDisplay",
    "TrainingHistoryDisplay",
]
