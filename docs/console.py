"""Pages show commands as on a terminal, with what they print.

``%load_ext console`` on a page lets a cell that begins with ``%%console`` run its lines
in Bash. What is shown is the session: each line after a ``$``, then its output.
"""

import subprocess

from IPython.display import publish_display_data

__all__ = ["load_ipython_extension", "run"]

# The status of a command is kept, so that the next one can be `echo $?`.
STEP = """\
printf '%s\\n' {shown}
(exit $status); {command}
status=$?
"""


def run(commands):
    """Return the session of some commands; a failure must be followed by `echo $?`."""
    lines = commands.strip().replace("\\\n", "\0").splitlines()
    lines = [line.replace("\0", "\\\n") for line in lines]
    script = "status=0\n"
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        quoted = "'" + f"$ {line}".replace("'", "'\\''") + "'"
        script += STEP.format(shown=quoted, command=line)
        if after != "echo $?":
            script += "[ $status = 0 ] || exit $status\n"
    # A pipe and no terminal, so that progress bars stay away.
    session = subprocess.run(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if session.returncode:
        raise RuntimeError(f"exit code {session.returncode}:\n{session.stdout}")
    return session.stdout


def load_ipython_extension(shell):
    def console(line, cell):
        publish_display_data({"text/markdown": f"````console\n{run(cell)}````"})

    shell.register_magic_function(console, magic_kind="cell")
