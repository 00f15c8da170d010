"""``python -m sk_posters``: the same as ``sk-posters``."""

import sys

from sk_posters.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
