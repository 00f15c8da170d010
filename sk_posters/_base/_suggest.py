"""What a misspelt name may mean."""

import difflib

__all__ = ["suggest"]


def suggest(name, known, cutoff=0.6):
    """Return " (did you mean 'x' or 'y'?)", or nothing if no known name is near."""
    nearest = difflib.get_close_matches(str(name), list(map(str, known)), cutoff=cutoff)
    return f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
