"""A path becomes a feature vector through few modules, so that a reader can follow."""

import subprocess
import sys

import pytest
from PIL import Image

MAX_MODULES = 9

COUNT = """
import os, sys

os.environ.pop("SK_POSTERS_CACHE", None)
from sk_posters import PosterEncoder

encoder, entered = PosterEncoder(n_jobs=1), set()


def note(frame, event, argument):
    name = frame.f_globals.get("__name__", "")
    is_import = frame.f_code.co_name == "<module>"
    if event == "call" and name.startswith("sk_posters.") and not is_import:
        entered.add(name)


sys.setprofile(note)
encoder.transform(sys.argv[1:])
sys.setprofile(None)
print(*sorted(entered))
"""


def test_a_path_crosses_few_modules_until_it_is_a_feature_vector(tmp_path):
    pytest.importorskip("onnxruntime")
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        Image.new("RGB", (30, 44), "navy").save(path)
    command = [sys.executable, "-c", COUNT, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    modules = result.stdout.split()
    assert "sk_posters._features._encoder" in modules
    assert len(modules) <= MAX_MODULES, modules
