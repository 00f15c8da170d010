"""The command ``sk-posters``.

One file per command, which reads its options, calls the package and prints. Heavy
packages are imported by the command that needs them: ``--help`` comes at once.
"""

from sk_posters.cli._main import main

__all__ = ["main"]
