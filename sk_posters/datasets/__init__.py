"""Data sets of posters: one to fetch, one to draw, and any table or folder of yours."""

from sk_posters.datasets._folder import load_poster_folder
from sk_posters.datasets._movie_posters import fetch_movie_posters
from sk_posters.datasets._synthetic import make_posters
from sk_posters.datasets._table import load_poster_table

__all__ = [
    "fetch_movie_posters",
    "load_poster_folder",
    "load_poster_table",
    "make_posters",
]
