"""Pages show commands as on a terminal, with what they print.

``%load_ext console`` on a page lets a cell that begins with ``%%console`` run its
lines. The session is shown: each line after a ``$``, then its output. ``sk-posters`` is
called in the same process, which imports libraries only once; Bash runs all others.
"""

import io
import shlex
import subprocess
from contextlib import redirect_stderr, redirect_stdout

from IPython.display import publish_display_data

from sk_posters.cli import main

__all__ = ["load_ipython_extension", "run"]


def run(commands):
    """Return the session of some commands; a failure must be followed by `echo $?`."""
    session, status = "", 0
    for line in commands.strip().splitlines():
        if line == "echo $?":
            output, status = f"{status}\n", 0
        elif status:
            break
        elif line.startswith("sk-posters "):
            status, output = _call(shlex.split(line)[1:])
        else:
            bash = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
            status, output = bash.returncode, bash.stdout + bash.stderr
        session += f"$ {line}\n{output}"
    if status:
        raise RuntimeError(f"exit code {status}:\n{session}")
    return session


def _call(arguments):
    # No terminal, so that progress bars stay away.
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with redirect_stdout(output), redirect_stderr(output):
        status = main(arguments)
    return status, output.buffer.getvalue().decode()


def load_ipython_extension(shell):
    def console(line, cell):
        publish_display_data({"text/markdown": f"````console\n{run(cell)}````"})

    shell.register_magic_function(console, magic_kind="cell")
