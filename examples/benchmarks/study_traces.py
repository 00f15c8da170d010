"""What do the commands write outside of their output, and which names do they look up?

Each command runs under strace, in a home folder and a folder of temporary files of its
own, and stays for some seconds after its work, as libraries may wait before they call.
What is listed is what the kernel saw of all processes and threads, native code
included.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import machine, parsed, parser, write_json

CALLS = "trace=openat,open,creat,mkdir,mkdirat,connect,sendto,sendmmsg,sendmsg"
# Files that are opened for writing, and folders that are made.
WRITTEN = re.compile(r'(?:openat\(AT_FDCWD, |open\(|creat\(|mkdir\()"([^"]+)"')
MADE = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|creat\(|mkdir")
FAILED = re.compile(r"= -1 ")
# Sockets that leave the process: IPv4 and IPv6, not those of this machine's services.
ADDRESS = re.compile(r"sa_family=AF_INET6?, .*?inet_(?:addr|pton)\([^)]*?\"([^\"]+)\"")
# Questions to a name server: labels behind their length, in strace's escapes.
NAME = re.compile(r"send[^(]*\(.*?\\1\\0\\0\\0\\0\\0\\[01](\\.+?)\\0\\0(?:\\1|\\34)")
LENGTH = re.compile(r"\\(?:[0-7]{1,3}|[a-z])")

RUN = """
import sys, time
from sk_posters.cli import main
code = main(sys.argv[2:])
time.sleep(float(sys.argv[1]))
sys.exit(code)
"""
APP = """
import os, signal, sys, threading, time, urllib.request
from sk_posters.cli import main
def visit():
    for _ in range(300):
        time.sleep(0.2)
        try:
            urllib.request.urlopen("http://127.0.0.1:7861/").read()
            break
        except OSError:
            continue
    time.sleep(float(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=visit, daemon=True).start()
sys.exit(main(sys.argv[2:]))
"""


def commands(recipe):
    """Return the words of each command, for a folder of drawn posters."""
    folder = "synthetic_posters_v1_40x5_444x300_seed0"
    table = f"demo/{folder}/train.csv"
    poster = f"demo/{folder}/Images/synthetic000000.jpg"
    train = ["train", table, "-o", "m.model", "--held-out", "held.csv"]
    train += ["--test-size", "0.3", "--n-bootstrap", "20", "--recipe", recipe]
    if recipe == "cnn":
        train += ["--param", "epochs=1", "--param", "image_size=(46, 46)"]
        train += ["--no-thresholds"]
    where = ["--images", f"demo/{folder}/Images"]
    evaluate = ["evaluate", "m.model", "held.csv", *where, "--n-bootstrap", "20"]
    return [
        ["demo", "--output", "demo", "--n-samples", "40"],
        ["check", table],
        train,
        [*evaluate, "--html", "r.html"],
        ["predict", "m.model", poster],
        ["explain", "m.model", poster, "-o", "e.png"],
        ["report", "m.model"],
        ["app", "m.model", "--port", "7861"],
    ]


def trace(words, folder, seconds):
    """Return what a command wrote, by path, and the addresses and names it asked."""
    places = {name: Path(folder, name) for name in ("home", "temporary", "work")}
    for place in places.values():
        place.mkdir(exist_ok=True)
    log = Path(folder, "log")
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "KERAS", "HF_", "ORT_", "MPL"))
    }
    env |= {"HOME": str(places["home"]), "TMPDIR": str(places["temporary"])}
    # Compiled Python is no trace of a library.
    env |= {"PYTHONDONTWRITEBYTECODE": "1"}
    program = APP if words[0] == "app" else RUN
    command = ["strace", "-f", "-qq", "-s", "300", "-e", CALLS, "-o", str(log)]
    command += [sys.executable, "-c", program, str(seconds), *words]
    done = subprocess.run(
        command, cwd=places["work"], env=env, capture_output=True, text=True
    )
    lines = log.read_text(errors="replace").splitlines()
    written = sorted(
        {
            _shorten(found[1], places)
            for line in lines
            if MADE.search(line)
            and not FAILED.search(line)
            and (found := WRITTEN.search(line))
        }
        - {None}
    )
    asked = sorted({found for line in lines for found in ADDRESS.findall(line)})
    names = sorted({_read_name(line) for line in lines} - {None})
    left = sorted(
        str(path.relative_to(folder))
        for name in ("home", "temporary")
        for path in places[name].rglob("*")
        if path.is_file()
    )
    return {
        "exit code": done.returncode,
        "written": written,
        "left behind": left,
        "addresses": asked,
        "names": names,
    }


def _shorten(path, places):
    """Return a path below the home folder or outside; None for the work folder."""
    for name, place in places.items():
        if path.startswith(f"{place}/") or path == str(place):
            rest = path.removeprefix(f"{place}").lstrip("/")
            # Names that chance has chosen.
            rest = re.sub(r"tmp[a-z0-9_]{8}", "tmp…", rest)
            return None if name == "work" else f"{name}/{rest}"
    if not path.startswith("/"):
        return None
    path = re.sub(r"\d{2,}", "N", path)
    return re.sub(r"[-_.][A-Za-z0-9_]{6,}$", "…", path)


def _read_name(line):
    found = NAME.search(line)
    return None if found is None else LENGTH.sub(".", found[1]).lstrip(".")


def main(arguments=None):
    options_of = parser(__doc__, data=False, repeat=1)
    options_of.add_argument(
        "--recipe", default="frozen", help="of train (default: frozen)"
    )
    options_of.add_argument(
        "--seconds", type=float, default=12, help="to stay after the work (default: 12)"
    )
    options = parsed(options_of, arguments)
    if shutil.which("strace") is None:
        options_of.error("strace is not installed: apt-get install strace")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for words in commands(options.recipe):
            found[words[0]] = trace(words, folder, options.seconds)
            print(words[0])
            for what, items in found[words[0]].items():
                print(f"  {what}: {items}")
    write_json(options, Path(__file__).stem, {"machine": machine(), "commands": found})


if __name__ == "__main__":
    main()
