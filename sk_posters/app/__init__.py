"""A web page that predicts the genres of a poster, and shows why."""

from sk_posters.app._serve import (
    make_app,
    run_app,
)

__all__ = [
    "make_app",
    "run_app",
]
