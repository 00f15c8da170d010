"""What a run writes outside of its output, and which names it looks up: none.

`study_traces.py` shows the same by strace, of all commands and of native code.
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sk_posters._base import _optional
from sk_posters._base._optional import import_optional

# Trains, predicts, reports and opens the web page, and prints what Python was asked for
# meanwhile. Native code is seen by what it leaves in the folders of home and temporary
# files.
RUN = """
import os, sys

here, asked, written = os.getcwd(), [], []

def hook(event, args):
    if event.startswith("socket.get") or event == "socket.connect":
        asked.append((event, str(args[-1])))
    if event == "open" and isinstance(args[0], str) and args[2] & (
        os.O_WRONLY | os.O_RDWR | os.O_CREAT
    ):
        written.append(os.path.abspath(args[0]))

from sk_posters import make_poster_pipeline, save_model
from sk_posters.app import make_app
from sk_posters.cli import main
from sk_posters.datasets import make_posters
sys.addaudithook(hook)
posters = make_posters(12, n_labels=2, image_size=(32, 32), random_state=0,
                       data_home=here)
model = make_poster_pipeline(image_size=(32, 32), encoder__n_jobs=1)
save_model(model.fit(posters.data, posters.target), "m.model")
assert main(["predict", "m.model", posters.data[0]]) == 0
assert main(["report", "m.model"]) == 0
from starlette.testclient import TestClient
with TestClient(make_app("m.model"), base_url="http://localhost") as client, open(
    posters.data[0], "rb"
) as file:
    assert client.post("/predict", files={"file": file}).status_code == 200
print("asked:", asked, file=sys.stderr)
# Temporary files must not stay, and those of the process itself are in memory.
own = (here, "/dev/", os.environ["TMPDIR"], f"/proc/{os.getpid()}/fd/")
print("outside:", [path for path in written if not path.startswith(own)],
      file=sys.stderr)
"""


def test_nothing_is_written_elsewhere_and_no_name_looked_up(tmp_path):
    for name in ("skops", "starlette", "python_multipart", "onnxruntime"):
        pytest.importorskip(name)
    places = {name: tmp_path / name for name in ("home", "temporary", "work")}
    for place in places.values():
        place.mkdir()
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    env |= {"HOME": str(places["home"]), "TMPDIR": str(places["temporary"])}
    env |= {"PYTHONDONTWRITEBYTECODE": "1"}
    # Folders of caches that the machine of the tests may name.
    env = {k: v for k, v in env.items() if not k.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        cwd=places["work"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-2:] == ["asked: []", "outside: []"]
    left = [*places["home"].rglob("*"), *places["temporary"].rglob("*")]
    assert left == []


@pytest.mark.parametrize(("given", "stopped"), [(None, [1]), ("0", []), ("1", [1])])
def test_events_are_stopped_unless_the_user_wants_them(given, stopped, monkeypatch):
    name, found = "ORT_DISABLE_TELEMETRY", []
    package = SimpleNamespace(disable_telemetry_events=lambda: found.append(1))
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    monkeypatch.setenv(name, "")  # So that it is restored.
    if given is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, given)
    import_optional("onnxruntime", extra="pretrained", purpose="A test")
    assert found == stopped
    assert os.environ[name] == (given or "1")


def test_packages_that_cannot_be_told_are_imported_all_the_same(monkeypatch):
    monkeypatch.setitem(_optional.SILENCING, "json", {"A_VARIABLE_OF_NOBODY": "1"})
    monkeypatch.setenv("A_VARIABLE_OF_NOBODY", "1")
    import json

    assert import_optional("json", extra="plot", purpose="A test") is json
