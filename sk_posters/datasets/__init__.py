"""Data sets of posters: one to fetch, one to draw, and any table of your own."""

from sk_posters.datasets._movie_posters import fetch_movie_posters
from sk_posters.datasets._synthetic import make_posters
from sk_posters.datasets._table import load_poster_table

__all__ = ["fetch_movie_posters", "load_poster_table", "make_posters"]
