"""Why a classifier predicts what it predicts: saliency maps and similar posters."""

from sk_posters.inspection._grad_cam import grad_cam
from sk_posters.inspection._nearest import nearest_posters

__all__ = ["grad_cam", "nearest_posters"]
