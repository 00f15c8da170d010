"""Why a model predicts what it predicts: saliency maps, similar posters, novelty."""

from sk_posters.inspection._grad_cam import grad_cam
from sk_posters.inspection._nearest import nearest_posters
from sk_posters.inspection._novelty import novelty

__all__ = ["grad_cam", "nearest_posters", "novelty"]
