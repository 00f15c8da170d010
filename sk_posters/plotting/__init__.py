"""Pictures of what was learned: Display classes in scikit-learn's manner."""

from sk_posters.plotting._history import TrainingHistoryDisplay
from sk_posters.plotting._poster_grid import PosterGridDisplay

__all__ = ["PosterGridDisplay", "TrainingHistoryDisplay"]
