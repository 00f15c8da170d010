"""The web page: drop a poster, see its genres, and why."""

from sk_posters.app._serve import (
    make_app,
    run_app,
)

__all__ = [
    "make_app",
    "run_app",
]
