"""Names of files that are not UTF-8, which Linux allows, are read and written."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sk_posters import PosterEncoder, check_posters, make_poster_pipeline, save_model
from sk_posters.cli import main
from sk_posters.datasets import load_poster_folder, load_poster_table, make_posters
from sk_posters.distributed import predict_to_parquet
from sk_posters.inspection import nearest_posters

SIZE = (48, 32)
N_ROWS = 24


def odd(content):
    """Return a name whose bytes are not UTF-8, as Python writes it."""
    return os.fsdecode(content)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Drawn posters, and copies of them with odd names in a folder with an odd one."""
    root = tmp_path_factory.mktemp("odd")
    posters = make_posters(
        N_ROWS, n_labels=3, image_size=SIZE, random_state=0, data_home=root
    )
    try:
        folder = root / odd(b"d\xff")
        (folder / "Images").mkdir(parents=True)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    posters.odd = []
    for row, path in enumerate(posters.data):
        posters.odd.append(str(folder / "Images" / odd(b"p\xfe%d.jpg" % row)))
        shutil.copy(path, posters.odd[-1])
    posters.table = folder / "train.csv"
    lines = [b"file," + ",".join(posters.target_names).encode()]
    for path, row in zip(posters.odd, posters.target.to_numpy(), strict=True):
        lines.append(os.fsencode(Path(path).name) + b",%d,%d,%d" % tuple(row))
    posters.table.write_bytes(b"\n".join(lines) + b"\n")
    return posters


@pytest.fixture(scope="module")
def model(drawn):
    pipe = make_poster_pipeline(image_size=SIZE, encoder__n_jobs=1)
    return pipe.fit(drawn.data, drawn.target)


def test_neighbors_are_named_by_their_paths(drawn, model):
    found = nearest_posters(model, drawn.odd[:2], drawn.odd, n_neighbors=1)
    assert found["path"].tolist() == drawn.odd[:2]
    images = np.zeros((2, *SIZE, 3), np.uint8)
    found = nearest_posters(model, images, images, n_neighbors=1)
    assert found["path"].tolist() == [None, None]


@pytest.mark.parametrize("n_plain", [0, 1])
def test_predictions_name_such_files_by_their_uri(n_plain, drawn, model, tmp_path):
    pytest.importorskip("pyarrow.parquet")
    missing = odd(b"no\xff.jpg")
    paths = [*drawn.data[:n_plain], *drawn.odd[:2], missing]
    for n_computed in (1, 0):
        made = predict_to_parquet(model, paths, tmp_path)
        assert (made.n_failed, made.n_computed) == (1, n_computed)
    table = pd.read_parquet(tmp_path)
    assert table["path"][:n_plain].tolist() == list(drawn.data[:n_plain])
    for uri, path in zip(table["path"][n_plain:], paths[n_plain:], strict=True):
        assert uri == Path(path).absolute().as_uri()
        assert uri.startswith("file:///")
    assert table["error"].tolist()[-1] == "no such file"
    expected = model.predict_proba(paths[:-1])
    np.testing.assert_array_equal(table.iloc[:-1, 1:-1].to_numpy(), expected)


def test_a_table_of_such_names_is_read(drawn):
    posters = load_poster_table(drawn.table)
    assert posters.data.tolist() == drawn.odd
    assert posters.target.to_numpy().tolist() == drawn.target.to_numpy().tolist()
    frame = pd.DataFrame({"file": pd.Series(drawn.odd, dtype=object)})
    frame[drawn.target_names] = drawn.target
    assert load_poster_table(frame).data.tolist() == drawn.odd


def test_a_folder_per_label_may_have_such_names(drawn, tmp_path):
    names = [b"cat/\xfe.jpg", b"cat/b.jpg", b"do\xff/\xfe.jpg", b"do\xff/c.jpg"]
    for name, path in zip(names, (0, 1, 0, 2), strict=True):
        (tmp_path / odd(name)).parent.mkdir(exist_ok=True)
        shutil.copy(drawn.data[path], tmp_path / odd(name))
    posters = load_poster_folder(tmp_path)
    assert posters.target_names == ["cat", r"do\xff"]
    assert posters.target.to_numpy().tolist() == [[1, 0], [0, 1], [1, 1]]
    assert posters.frame["file"].tolist() == [
        *("cat/b.jpg", odd(b"do\xff/c.jpg"), odd(b"cat/\xfe.jpg"))
    ]
    assert all(os.path.isfile(path) for path in posters.data)


def test_a_check_finds_and_prints_them(drawn):
    check = check_posters(drawn.odd, drawn.target, max_distance=None, min_side=64)
    assert check.findings["paths"][0] == (drawn.odd[0],)
    assert "tiny image" in str(check)


@pytest.mark.filterwarnings("ignore:.*(labels are|has no positive):UserWarning")
def test_the_commands_read_and_write_them(drawn, model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(drawn.table), "--output", "found.csv"]) in (0, 1)
    assert main(["check", str(drawn.table.parent / "Images")]) in (0, 1)
    assert os.fsencode(drawn.odd[0]) in Path("found.csv").read_bytes()
    words = ["train", str(drawn.table), "-o", odd(b"m\xff.model"), "--test-size", "0.4"]
    words += ["--held-out", "held.csv", "--param", f"image_size={SIZE}"]
    assert main([*words, "--no-thresholds", "--n-bootstrap", "5"]) == 0
    where = ["--images", str(drawn.table.parent / "Images")]
    for words in (
        [
            "evaluate",
            "held.csv",
            *where,
            "--html",
            odd(b"r\xff.html"),
            "--n-bootstrap",
            "5",
        ],
        ["predict", drawn.odd[0], "--format", "csv"],
        ["predict", drawn.odd[0], "--output", odd(b"p\xff.jsonl")],
        ["report"],
    ):
        assert main([words[0], odd(b"m\xff.model"), *words[1:]]) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_features_of_them_are_those_of_their_content(drawn):
    encoder = PosterEncoder(image_size=SIZE, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = encoder.fit_transform(drawn.odd[:2])
    np.testing.assert_array_equal(features, encoder.transform(drawn.data[:2]))


def test_a_model_with_such_a_name_is_loaded(model, tmp_path):
    pytest.importorskip("skops")
    path = tmp_path / odd(b"\xff.model")
    save_model(model, path, label_names=list("ABC"))
    assert main(["report", str(path)]) == 0
