"""What the command does, behind its options: paths in, rows out, models trained."""

from sk_posters._command._paths import paths_of

__all__ = ["paths_of"]
