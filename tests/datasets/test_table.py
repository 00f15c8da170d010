"""Tables of posters: what is loaded from them, and what is refused."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_posters.datasets import load_poster_table

HEADER = "Id,Genre,Comedy,Drama,N/A"
ROWS = ["007,\"['Comedy', 'Drama']\",1,1,0", "nan,['N/A'],0,0,1", "tt3,['Drama'],0,1,0"]


def write_table(folder, rows=ROWS, header=HEADER, suffix=".jpg"):
    """Write a table and one image per id in the layout of the data set."""
    (folder / "Images").mkdir(exist_ok=True)
    for row in rows:
        name = row.partition(",")[0]
        if re.fullmatch(r"\w+", name):
            Image.new("RGB", (4, 6)).save(folder / "Images" / f"{name}{suffix}")
    csv = folder / "train.csv"
    csv.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return csv


def test_a_table_is_loaded_as_a_bunch(tmp_path):
    posters = load_poster_table(write_table(tmp_path))
    images = tmp_path / "Images"
    assert posters.data.tolist() == [
        str(images / name) for name in ("007.jpg", "nan.jpg", "tt3.jpg")
    ]
    assert posters.target_names == ["Comedy", "Drama", "N/A"]
    assert posters.target.to_numpy().tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    assert posters.target.columns.tolist() == posters.target_names
    assert str(tmp_path) in posters.DESCR


def test_ids_stay_text(tmp_path):
    posters = load_poster_table(write_table(tmp_path))
    assert posters.groups.tolist() == ["007", "nan", "tt3"]
    assert posters.frame["Id"].tolist() == ["007", "nan", "tt3"]


def test_the_target_holds_integers(tmp_path):
    target = load_poster_table(write_table(tmp_path)).target
    assert set(target.dtypes) == {np.dtype(np.int64)}


def test_the_frame_is_the_whole_table(tmp_path):
    frame = load_poster_table(write_table(tmp_path)).frame
    assert frame.columns.tolist() == HEADER.split(",")
    assert frame["N/A"].tolist() == [0, 1, 0]


def test_paths_and_labels_alone_can_be_asked_for(tmp_path):
    csv = write_table(tmp_path)
    data, target = load_poster_table(csv, return_X_y=True)
    assert data.shape == (3,)
    pd.testing.assert_frame_equal(target, load_poster_table(csv).target)


def test_images_may_lie_elsewhere(tmp_path):
    csv = write_table(tmp_path)
    (tmp_path / "Images").rename(tmp_path / "scans")
    data, _ = load_poster_table(str(csv), tmp_path / "scans", return_X_y=True)
    assert data[0] == str(tmp_path / "scans" / "007.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png"])
def test_suffixes_of_images(suffix, tmp_path):
    data, _ = load_poster_table(write_table(tmp_path, suffix=suffix), return_X_y=True)
    assert [path.endswith(suffix) for path in data] == [True] * 3


def test_jpg_is_taken_where_an_id_has_two_files(tmp_path):
    csv = write_table(tmp_path)
    write_table(tmp_path, suffix=".png")
    data, _ = load_poster_table(csv, return_X_y=True)
    assert all(path.endswith(".jpg") for path in data)


def test_another_column_may_hold_the_ids(tmp_path):
    csv = write_table(tmp_path, header=HEADER.replace("Id", "imdb"))
    posters = load_poster_table(csv, id_column="imdb")
    assert posters.groups.tolist() == ["007", "nan", "tt3"]
    assert posters.target_names == ["Comedy", "Drama", "N/A"]


def test_a_table_without_genres_as_text_is_enough(tmp_path):
    csv = write_table(tmp_path, ["a,1,0", "b,0,1"], header="Id,War,News")
    assert load_poster_table(csv).target_names == ["War", "News"]


def test_labels_written_as_floats_are_zeros_and_ones(tmp_path):
    csv = write_table(tmp_path, ["a,1.0,0.0", "b, 0,1 "], header="Id,War,News")
    assert load_poster_table(csv).target.to_numpy().tolist() == [[1, 0], [0, 1]]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    csv = write_table(tmp_path)
    csv.write_bytes(b"\xef\xbb\xbf" + csv.read_bytes())
    assert load_poster_table(csv).groups[0] == "007"


def test_rows_of_one_id_are_kept_and_share_a_group(tmp_path):
    csv = write_table(tmp_path, ["a,1,0", "b,0,1", "a,0,1"], header="Id,War,News")
    posters = load_poster_table(csv)
    assert posters.groups.tolist() == ["a", "b", "a"]
    assert posters.data[0] == posters.data[2]
    assert posters.target.to_numpy().tolist() == [[1, 0], [0, 1], [0, 1]]


def test_agreeing_genres_warn_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_poster_table(write_table(tmp_path))


@pytest.mark.parametrize("genres", ["['Drama']", "['Comedy', 'War']", "Comedy"])
def test_genres_that_contradict_the_columns_are_reported(genres, tmp_path):
    rows = [ROWS[0], f'b,"{genres}",1,0,0', f'c,"{genres}",1,0,0']
    message = re.escape(
        "train.csv: in 2 of 3 rows the column 'Genre' does not say what the columns of "
        f"0 and 1 say, first in row 1 (counted from 0, id 'b'): {genres!r} against "
        "['Comedy']. The columns of 0 and 1 are used."
    )
    with pytest.warns(UserWarning, match=message) as caught:
        posters = load_poster_table(write_table(tmp_path, rows))
    assert posters.target.iloc[1].tolist() == [1, 0, 0]
    assert caught[0].filename == __file__


def test_a_missing_table_is_named(tmp_path):
    message = f"There is no table '{tmp_path}/tarin.csv'. Give the path of a CSV file"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        load_poster_table(tmp_path / "tarin.csv")


def test_a_folder_is_no_table(tmp_path):
    message = rf"is a folder. Give the file in it, such as '{tmp_path}/train.csv'"
    with pytest.raises(IsADirectoryError, match=message):
        load_poster_table(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "train.csv: the table is empty, not even a header"),
        (b"Id,War\n", "train.csv: the table has a header, but no rows"),
        (b"Id,War\na,1,0\n", "train.csv: not a comma-separated table .*line 2, saw 3"),
        (b"Id,War,War,Id\na,1,1,a\n", "occur more than once: 'Id', 'War'. Rename"),
        (b"imdb,War\na,1\n", r"no column 'Id' to name the images.*\['imdb', 'War'\]"),
        (b"Id,Genre\na,[]\n", "no row has a label in column 'Genre'"),
        (b"Id,War\na,1\n,0\n", "row 1 .counted from 0. has no id in column 'Id'"),
        (
            b"Id,War\na,1\nb,2\n",
            "csv: labels must be 0 or 1, got '2' in column 'War', row 1",
        ),
        (b"Id,War\na,\nb,1\n", "labels must be 0 or 1, got '' in column 'War', row 0"),
        (b"Id,War\na\nb,1\n", "labels must be 0 or 1, got '' in column 'War', row 0"),
        (b"Id,War\na,\n", "there is no label column: 'War': empty. Add a column"),
        (
            b"Id,War\na,1\nb,NaN\n",
            "labels must be 0 or 1, got 'NaN' in column 'War', row 1",
        ),
    ],
)
def test_a_faulty_table_is_refused(content, message, tmp_path):
    csv = tmp_path / "train.csv"
    csv.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_poster_table(csv)


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "..\\x", "..", ".", "a/", "C:x", "C:\\x"]
)
def test_ids_that_lead_out_of_the_folder_are_refused(name, tmp_path):
    csv = write_table(tmp_path, ["a,1", f"{name},1"], header="Id,War")
    Image.new("RGB", (4, 6)).save(tmp_path / "x.jpg")
    message = re.escape(f"row 1 (counted from 0) has {name!r} in column 'Id'")
    with pytest.raises(ValueError, match=message):
        load_poster_table(csv)


def test_a_missing_folder_of_images_is_named(tmp_path):
    csv = write_table(tmp_path)
    message = f"There is no folder of images '{tmp_path}/nowhere'. Give it as images."
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        load_poster_table(csv, tmp_path / "nowhere")


def test_missing_images_are_counted_and_the_first_named(tmp_path):
    csv = write_table(tmp_path, [f"p{k},1" for k in range(9)], header="Id,War")
    for k in range(1, 8):
        (tmp_path / "Images" / f"p{k}.jpg").unlink()
    (tmp_path / "Images" / "p1.jpg").mkdir()
    message = (
        "7 of 9 posters have no image in .*: ['p1', 'p2', 'p3', 'p4', 'p5'] … Each"
    )
    with pytest.raises(FileNotFoundError, match=message.replace("[", r"\[")):
        load_poster_table(csv)


@pytest.mark.parametrize("parameters", [{"table": 3}, {"table": "a", "id_column": 0}])
def test_parameters_of_a_wrong_type_are_refused(parameters):
    with pytest.raises(ValueError, match="parameter of load_poster_table must be"):
        load_poster_table(**parameters)


def test_real_posters_are_loaded_whole(real_posters):
    posters = load_poster_table(real_posters / "train.csv")
    assert posters.target.shape == (4000, 25)
    assert len(set(posters.data)) == len(set(posters.groups)) == 3989
    assert pd.Series(posters.groups).duplicated().sum() == 11
    assert "N/A" in posters.target_names
    assert set(np.unique(posters.target.sum(axis=1))) == {1, 2, 3}


def test_the_genres_of_real_posters_agree_with_their_columns(real_posters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_poster_table(real_posters / "train.csv")
