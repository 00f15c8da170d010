"""What stands behind the web page: its guard, its uploads, and what it shows."""

from sk_posters._web._guard import Guard, inline_policy
from sk_posters._web._showcase import Showcase
from sk_posters._web._uploads import MAX_BYTES, Refused, limited, poster_file

__all__ = [
    "MAX_BYTES",
    "Guard",
    "Refused",
    "Showcase",
    "inline_policy",
    "limited",
    "poster_file",
]
