"""The package needs nothing that only POSIX has, as far as one machine can show it.

It has never run on Windows or macOS: this hides what those lack, and the network.
"""

import subprocess
import sys

# Imports what the libraries below need for themselves, then hides it from the package.
JOB = """
import sys

import dask, distributed, filelock, httpx, imagehash, jinja2, joblib  # noqa: E401, F401
import matplotlib.pyplot, onnx, onnxruntime, pyarrow.parquet  # noqa: F401
import skops.io, starlette, tensorflow, typer, uvicorn  # noqa: F401
import scikeras.wrappers, sklearn.ensemble, tarfile, tempfile  # noqa: F401
import errno, importlib, os, pkgutil, signal, socket
import keras  # noqa: F401

MODULES = ["fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty"]
ATTRIBUTES = {
    os: ["fork", "register_at_fork", "getuid", "geteuid", "getgid", "mkfifo", "fchmod",
         "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK", "sched_getaffinity",
         "sched_setaffinity", "sync", "killpg", "setsid", "statvfs", "chroot", "nice",
         "getloadavg", "uname", "wait", "WIFEXITED", "ttyname", "sysconf"],
    errno: ["EDQUOT", "ENOTSUP", "ESTALE"],
    signal: ["SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "SIGPIPE", "SIGCHLD",
             "pthread_sigmask", "alarm", "setitimer", "sigwait"],
    socket: ["AF_UNIX"],
}
for name in MODULES:
    sys.modules[name] = None


class Hidden:
    def __init__(self, module):
        self.__dict__["module"] = module

    def __getattr__(self, name):
        if name in ATTRIBUTES[self.__dict__["module"]]:
            raise AttributeError(f"{name} is not there on every system")
        return getattr(self.__dict__["module"], name)


import builtins

real_import = builtins.__import__
names = {module.__name__: Hidden(module) for module in ATTRIBUTES}


def import_for(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if importer.split(".")[0] == "sk_posters" and name in names and not fromlist:
        return names[name]
    return real_import(name, globals, locals, fromlist, level)


builtins.__import__ = import_for


def refuse(*arguments, **options):
    raise AssertionError("somebody asks for a network")


socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse

import sk_posters

for module in pkgutil.walk_packages(sk_posters.__path__, "sk_posters."):
    importlib.import_module(module.name)
assert isinstance(sys.modules["sk_posters._base._atomic"].os, Hidden)

from pathlib import Path

from sk_posters import check_posters, load_model, make_poster_pipeline
from sk_posters import save_html_report, save_model
from sk_posters.cli import main
from sk_posters.datasets import make_posters
from sk_posters.distributed import predict_to_parquet
from sk_posters.metrics import multilabel_report

folder = Path(sys.argv[1])
posters = make_posters(
    40, n_labels=3, image_size=(64, 48), random_state=0, data_home=folder / "data"
)
check_posters(posters.data, posters.target)
pipe = make_poster_pipeline(image_size=(48, 32), cache_dir=folder / "cache")
pipe.fit(posters.data, posters.target)
save_model(pipe, folder / "it.model")
pipe = load_model(folder / "it.model")
scores = pipe.predict_proba(posters.data)
print(multilabel_report(posters.target, scores, n_bootstrap=20, random_state=0))
save_html_report(
    folder / "it.html", pipe, posters.data, posters.target, n_bootstrap=20
)
predict_to_parquet(pipe, posters.data, folder / "out")
network = make_poster_pipeline(
    "cnn", image_size=(16, 16), filters=(4,), dense_units=(), dropout=0.1, epochs=1
)
network.fit(posters.data, posters.target).predict(posters.data)
table = str(next((folder / "data").rglob("train.csv")))
model = str(folder / "cli.model")
small = "image_size=(48, 32)"
assert main(["train", table, "--output", model, "--param", small]) == 0
assert main(["predict", model, posters.data[0], "--output", str(folder / "p.csv")]) == 0
print("done")
"""


def test_the_main_job_needs_no_network_and_nothing_that_only_posix_has(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", JOB, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.endswith("done\n")
