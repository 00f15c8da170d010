"""Why a classifier says what it says: heat maps, and the posters that look alike."""

from sk_posters.inspection._grad_cam import (
    grad_cam,
    nearest_posters,
)

__all__ = [
    "grad_cam",
    "nearest_posters",
]
