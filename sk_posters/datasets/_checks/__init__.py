"""What is wrong with a table of posters, and which of its rows belong together."""

from sk_posters.datasets._checks._check import PosterCheck, check_posters

__all__ = ["PosterCheck", "check_posters"]
