"""The command ``app``."""

import json
import os
import re
import signal
import urllib.request
from pathlib import Path

import pandas as pd
from cli_helpers import run, start

import sk_posters.app
from sk_posters import model_card
from sk_posters.datasets import load_poster_table


def test_options_are_passed_to_run_app(trained, table, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(
        sk_posters.app, "run_app", lambda *a, **options: calls.append((a, options))
    )
    monkeypatch.setenv("SK_POSTERS_CACHE", "set back in the end")
    assert run("app", trained.model, "--port", "8000").exit_code == 0
    options = {"posters": None, "target": None, "host": "127.0.0.1", "port": 8000}
    options["trusted"] = ()
    assert calls == [((trained.model,), options)]
    result = run("app", trained.model, "--posters", table, "--trust", "a.B")
    assert calls[1][1]["trusted"] == ["a.B"]
    hint = "; --cache FOLDER keeps them"
    assert result.stderr == f"computing features of 60 posters{hint}\n"
    loaded = load_poster_table(table)
    assert list(calls[1][1]["posters"]) == list(loaded.data)
    pd.testing.assert_frame_equal(calls[1][1]["target"], loaded.target)
    result = run("app", trained.model, "--posters", table.parent, "--cache", tmp_path)
    assert result.stderr == "computing features of 60 posters\n"
    assert os.environ["SK_POSTERS_CACHE"] == str(tmp_path)


def test_the_page_predicts_genres_and_ctrl_c_stops_it(trained, table, posters):
    words = ["app", trained.model, "--posters", table.parent, "--port", "0"]
    with start(*words) as process:
        line = process.stdout.readline().decode()
        url = re.fullmatch(r"sk_posters shows .* at (\S+) \(Ctrl-C.*\n", line).group(1)
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"genres.model, 4 genres" in page.read()
        body = (
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a.jpg\r\n\r\n"
        )
        body += Path(posters[0]).read_bytes() + b"\r\n--x--\r\n"
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(f"{url}/predict", body, form)
        with urllib.request.urlopen(request, timeout=30) as response:
            prediction = json.load(response)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        stderr = process.stderr.read().decode()
    assert process.returncode == 0
    assert stderr.startswith("computing features of 60 posters")
    assert len(stderr.splitlines()) == 1
    names = {genre["name"] for genre in prediction["genres"]}
    assert names == set(model_card(trained.model)["label_names"])
    assert prediction["neighbors"][0]["distance"] < 1e-6  # It finds itself.
