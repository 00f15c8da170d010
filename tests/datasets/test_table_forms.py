"""Label tables in the forms that people have: each is read, or refused with a way."""

import bz2
import gzip
import io
import json
import lzma
import re
import sys
import unicodedata
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_posters.datasets import load_poster_table
from sk_posters.datasets._tables import _compressed, _source
from sk_posters.datasets._tables._column import as_text

NAN = float("nan")
AB = [[1, 0], [0, 1], [1, 1]]
JPG = ("a.jpg", "b.jpg", "c.jpg")


def draw(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 6)).save(path)


def read(folder, content, images=JPG, table="t.csv", **options):
    draw(folder, *(f"img/{name}" for name in images))
    if isinstance(content, str):
        content = content.encode()
    (folder / table).write_bytes(content)
    return load_poster_table(folder / table, **options)


def as_zip(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t.csv", text)
    return file.getvalue()


def as_lines(*records):
    return "\n".join(map(json.dumps, records))


PLAIN = "file,A,B\na.jpg,1,0\nb.jpg,0,1\nc.jpg,1,1\n"
COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
    "annotations": [
        {"image_id": 7, "category_id": 2},
        {"image_id": 7, "category_id": 2},
        {"image_id": 7, "category_id": 1},
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}],
}
# What is in the file, its name, the arguments, the names of the labels, the values.
FORMS = {
    "commas": (PLAIN, "t.csv", {}, "AB", AB),
    "tabs": (PLAIN.replace(",", "\t"), "t.tsv", {}, "AB", AB),
    "semicolons": (PLAIN.replace(",", ";"), "t.csv", {}, "AB", AB),
    "bars": (PLAIN.replace(",", "|"), "t.txt", {}, "AB", AB),
    "blanks": (PLAIN.replace(",", "  "), "t.txt", {}, "AB", AB),
    "blanks after commas": (PLAIN.replace(",", ", "), "t.csv", {}, "AB", AB),
    "a first line for Excel": (
        "sep=;\n" + PLAIN.replace(",", ";"),
        *("t.csv", {}, "AB", AB),
    ),
    "quotes after a blank": (
        'file, tags\na.jpg, "A"\nb.jpg, "B"\nc.jpg, "A, B"\n',
        *("t.csv", {}, "AB", AB),
    ),
    "numbers of rows and of texts": (
        "id,stem,file,A,B\n1,000,a.jpg,1,0\n2,001,b.jpg,0,1\n",
        *("t.csv", {}, "AB", AB[:2]),
    ),
    "JSON by column": (
        json.dumps({"file": JPG, "A": [1, 0, 1], "B": [0, 1, 1]}),
        *("t.json", {}, "AB", AB),
    ),
    "semicolons at line ends": (
        PLAIN.replace(",", ";").replace("\n", ";\n"),
        *("t.csv", {}, "AB", AB),
    ),
    "a count line and a header without the ids": (
        "3\nA B \na.jpg  1 -1\nb.jpg -1  1\nc.jpg  1  1\n",
        *("t.txt", {}, "AB", AB),
    ),
    "UTF-8 with a mark": (PLAIN.encode("utf-8-sig"), "t.csv", {}, "AB", AB),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-be"), "t.csv", {}, "AB", AB),
    "a letter for yes in all rows of a column": (
        "file,A,B\na.jpg,Y,N\nb.jpg,Y,Y\n",
        *("t.csv", {}, "AB", [[1, 0], [1, 1]]),
    ),
    "an empty name in a list": (
        '{"file": "a.jpg", "tags": ["A", ""]}\n{"file": "b.jpg", "tags": ["B"]}\n',
        *("t.jsonl", {}, "AB", AB[:2]),
    ),
    "UTF-16 of a spreadsheet": (
        PLAIN.replace(",", "\t").encode("utf-16"),
        *("t.txt", {}, "AB", AB),
    ),
    "Windows letters": (
        "file,tags\na.jpg,Été|B\nb.jpg,B\n".encode("cp1252"),
        *("t.csv", {}, ["B", "Été"], [[1, 1], [1, 0]]),
    ),
    "a given encoding": (
        "file,tags\na.jpg,犬|B\nb.jpg,B\n".encode("gbk"),
        *("t.csv", {"encoding": "gbk"}, ["B", "犬"], [[1, 1], [1, 0]]),
    ),
    "gzip": (gzip.compress(PLAIN.encode()), "t.csv.gz", {}, "AB", AB),
    "zip": (as_zip(PLAIN), "t.csv.zip", {}, "AB", AB),
    "an index without a name": (
        ",file,A,B\n0,a.jpg,1,0\n1,b.jpg,0,1\n",
        *("t.csv", {}, "AB", AB[:2]),
    ),
    "TRUE and FALSE": (
        PLAIN.replace(",1", ",TRUE").replace(",0", ",FALSE"),
        *("t.csv", {}, "AB", AB),
    ),
    "yes and no": (
        PLAIN.replace(",1", ",Yes").replace(",0", ",No"),
        *("t.csv", {}, "AB", AB),
    ),
    "crosses": (
        PLAIN.replace(",1", ",x").replace(",0", ","),
        *("t.csv", {}, "AB", AB),
    ),
    "floats": (
        PLAIN.replace(",1", ",1.0").replace(",0", ",0.0"),
        *("t.csv", {}, "AB", AB),
    ),
    "decimal commas": (
        "file;score;A;B\na.jpg;3,5;1,0;0,0\nb.jpg;2,1;0,0;1,0\n",
        *("t.csv", {}, "AB", AB[:2]),
    ),
    "-1 for no": (PLAIN.replace(",0", ",-1"), "t.csv", {}, "AB", AB),
    "a part of the rows": (
        "fname,A,B,is_valid\na.jpg,1,0,1\nb.jpg,0,1,0\nc.jpg,1,1,0\n",
        *("t.csv", {}, "AB", AB),
    ),
    "other columns": (
        "file,title,year,A,B\na.jpg,One,1999,1,0\nb.jpg,Two,2001,0,1\n",
        *("t.csv", {}, "AB", AB[:2]),
    ),
    "unknown": (
        "file,A,B\na.jpg,1,\nb.jpg,-1,0\nc.jpg,0,1\n",
        *("t.csv", {"unknown": ("", -1)}, "AB", [[1, NAN], [NAN, 0], [0, 1]]),
    ),
    "a value that means no": (
        "file,A,B\na.jpg,1,\nb.jpg,,1\n",
        *("t.csv", {"no_label": ""}, "AB", AB[:2]),
    ),
    "some of the columns": (
        PLAIN,
        *("t.csv", {"label_columns": ["B"]}, "B", [[0], [1], [1]]),
    ),
    "texts with bars": (
        "file,tags\na.jpg,A\nb.jpg,B\nc.jpg,B|A\n",
        *("t.csv", {}, "AB", AB),
    ),
    "texts with commas": (
        'file,tags\na.jpg,A\nb.jpg,B\nc.jpg,"B, A"\n',
        *("t.csv", {}, "AB", AB),
    ),
    "texts with semicolons": (
        "file,tags\na.jpg,A\nb.jpg,B\nc.jpg,B; A;\n",
        *("t.csv", {}, "AB", AB),
    ),
    "texts with blanks": (
        "file,tags,is_valid\na.jpg,A,0\nb.jpg,B,1\nc.jpg,B A,0\n",
        *("t.csv", {}, "AB", AB),
    ),
    "numbers with blanks": (
        "Id,Target\na,16 0\nb,5\nc,0\n",
        *("t.csv", {}, ["0", "16", "5"], [[1, 1, 0], [0, 0, 1], [1, 0, 0]]),
    ),
    "another separator": (
        "file,tags\na.jpg,A\nb.jpg,B\nc.jpg,B/A\n",
        *("t.csv", {"label_separator": "/"}, "AB", AB),
    ),
    "one label a text": (
        "file,tags\na.jpg,New York\nb.jpg,Rome\nc.jpg,Rome\n",
        *("t.csv", {}, ["New York", "Rome"], [[1, 0], [0, 1], [0, 1]]),
    ),
    "Python lists": (
        "file,tags\na.jpg,['A']\nb.jpg,['B']\nc.jpg,\"['A', 'B']\"\n",
        *("t.csv", {}, "AB", AB),
    ),
    "JSON lists": (
        'file,tags\na.jpg,"[""A""]"\nb.jpg,"[""B""]"\nc.jpg,"[""A"", ""B""]"\n',
        *("t.csv", {}, "AB", AB),
    ),
    "arrays as text": (
        "file,tags\na.jpg,['A']\nb.jpg,[]\nc.jpg,['A' 'B']\n",
        *("t.csv", {}, "AB", [[1, 0], [0, 0], [1, 1]]),
    ),
    "a text for none": (
        "Image Index,Labels,Age\na.jpg,A|B,60\nb.jpg,None,61\nc.jpg,B,62\n",
        *("t.csv", {"no_label": "None"}, "AB", [[1, 1], [0, 0], [0, 1]]),
    ),
    "JSON lines": (
        as_lines(
            {"file_name": "img/a.jpg", "labels": ["A"], "n": 3},
            {"file_name": "img/b.jpg", "labels": [], "n": 4},
            {"file_name": "img/c.jpg", "labels": ["B", "A"], "n": 5},
        ),
        *("metadata.jsonl", {}, "AB", [[1, 0], [0, 0], [1, 1]]),
    ),
    "JSON booleans": (
        json.dumps(
            [{"file": "a", "A": True, "B": False}, {"file": "b", "A": False, "B": True}]
        ),
        *("t.json", {}, "AB", AB[:2]),
    ),
    "JSON by file name": (
        json.dumps({"a.jpg": ["A"], "b.jpg": ["B"], "c.jpg": ["A", "B"]}),
        *("t.json", {}, "AB", AB),
    ),
    "COCO": (
        json.dumps(COCO),
        *("t.json", {}, ["bus", "car"], [[1, 1], [0, 0]]),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read(form, tmp_path):
    content, table, options, names, values = FORMS[form]
    posters = read(tmp_path, content, table=table, **options)
    paths = [str(tmp_path / "img" / name) for name in JPG]
    assert posters.data.tolist() == paths[: len(values)]
    assert posters.target_names == list(names)
    expected = np.array(values, dtype=float)
    np.testing.assert_array_equal(posters.target.to_numpy(dtype=float), expected)
    is_unknown = np.isnan(expected).any()
    assert set(posters.target.dtypes) == {np.dtype(float if is_unknown else int)}


# What is in the file, the arguments, and the message.
REFUSED = {
    "two columns of texts": (
        "file,genre,mood\na.jpg,A|B,x|y\nb.jpg,B,y\n",
        {},
        "label_columns=['genre'] or label_columns=['mood']",
    ),
    "texts and columns of 0 and 1": (
        "file,tags,A,B\na.jpg,x|y,1,0\nb.jpg,y,0,1\n",
        {},
        "label_columns=['A', 'B'] or label_columns=['tags']",
    ),
    "a slash in some texts": (
        "file,tags\na.jpg,Action/Drama\nb.jpg,Drama\nc.jpg,Western\n",
        {},
        "'Action/Drama' may be one label or several. Give label_separator='/' for",
    ),
    "a number for each of several labels": (
        "file,LabelName,Confidence\na.jpg,cat,1\na.jpg,dog,1\nb.jpg,cat,0\n",
        {},
        "label_columns=['Confidence'] or label_columns=['LabelName']",
    ),
    "a missing value as databases write it": (
        "file,tags\na.jpg,A\nb.jpg,\\N\nc.jpg,B\n",
        {},
        "row 1 (counted from 0) has no labels in column 'tags'",
    ),
    "blanks in some texts": (
        "file,tags\na.jpg,haze primary\nb.jpg,haze\nc.jpg,water\n",
        {},
        "'haze primary' may be one label or several. Give label_separator=' ' for "
        "several, or label_separator='' for one.",
    ),
    "a vehicle or a part of the rows": (
        "file,bus,train\na.jpg,1,0\nb.jpg,0,1\n",
        {},
        "label_columns=['bus', 'train'] or label_columns=['bus']",
    ),
    "only a part of the rows": (
        "file,is_valid\na.jpg,1\nb.jpg,0\n",
        {},
        "no label column: 'is_valid': named like a part of the rows. If it is a label, "
        "give label_columns=['is_valid'].",
    ),
    "empty fields": (
        "file,A,B\na.jpg,1,0\nb.jpg,,1\nc.jpg,0,1\n",
        {},
        "labels must be 0 or 1, got '' in column 'A', row 1 (1 such values in all, "
        "rows counted from 0). Correct the values; or give unknown=('',) if they mean "
        "that a label is not known, or no_label=('',) if they mean no; or leave the "
        "column out with label_columns=['B'].",
    ),
    "-1 next to 0": (
        "file,A,B\na.jpg,1,0\nb.jpg,-1,1\nc.jpg,0,1\n",
        {},
        "got '-1' in column 'A', row 1 (1 such values in all, rows counted from 0). "
        "Correct the values; or give unknown=(-1,) if",
    ),
    "-1 and empty fields": (
        "file,A,B\na.jpg,1.0,\nb.jpg,-1.0,1.0\nc.jpg,0.0,1.0\n",
        {},
        "give unknown=(-1, '') if they mean",
    ),
    "a label in the columns": (
        "file,A,B\na.jpg,1,0\nb.jpg,Drama,1\nc.jpg,0,1\n",
        {"label_columns": ["A", "B"]},
        "labels must be 0 or 1, got 'Drama' in column 'A', row 1",
    ),
    "no labels in a row": (
        "file,tags\na.jpg,A|B\nb.jpg,\nc.jpg,B\n",
        {},
        "row 1 (counted from 0) has no labels in column 'tags' (1 such rows in all). "
        "Fill them in, or drop the rows with missing='drop'; give no_label=''",
    ),
    "no header": (
        "a.jpg,1,0\nb.jpg,0,1\n",
        {},
        "the first line must name the columns, but it looks like a row: ['a.jpg', ",
    ),
    "many columns without a name": (
        "file,A" + "," * 200 + "\na.jpg,1" + ",1" * 200 + "\n",
        {},
        "200 columns have no name. Give each a name in the first line",
    ),
    "addresses": (
        "link,A,B\nhttp://x/a.jpg,1,0\nhttp://x/b.jpg,0,1\n",
        {"id_column": "link"},
        "row 0 (counted from 0) has the address 'http://x/a.jpg' in column 'link'",
    ),
    "a column that is not there": (
        PLAIN,
        {"label_columns": ["C"]},
        "there is no column 'C', only 'file', 'A', 'B'. Give its name as label_columns",
    ),
    "labels given twice": (
        PLAIN,
        {"label_columns": ["A", "A"]},
        "label_columns must be different columns, one at least, and not that of the",
    ),
    "an unknown encoding": (
        PLAIN,
        {"encoding": "utf-9"},
        "encoding must be one that Python knows: got 'utf-9'",
    ),
    "an encoding of other things than text": (
        PLAIN,
        {"encoding": "base64"},
        "encoding must be one that Python knows: got 'base64'",
    ),
    "a line end as separator": (
        "sep=\r\nfile,A,B\na.jpg,1,0\nb.jpg,0,1\n",
        {},
        "not a comma-separated table with rows of one length",
    ),
    "a zero byte in the first lines": (
        PLAIN.replace("b.jpg,0", "b.jpg,0\0"),
        {},
        "got '0\\x00' in column 'A', row 1",
    ),
    "lists of a 0 or 1 for each label": (
        'file,tags\na.jpg,"[1, 0]"\nb.jpg,"[0, 1]"\nc.jpg,"[1, 1]"\n',
        {},
        "each row must hold a list of names, but all hold 2 values of 0 and 1, such as "
        "1, 0. Give a column per label: pandas.DataFrame(numpy.stack(values), columns",
    ),
    "another encoding": (
        "file,tags\na.jpg,Été|B\n".encode("cp1252"),
        {"encoding": "utf-8"},
        "the table must be text in utf-8",
    ),
    "no column that names images": (
        "key,A,B\nx,1,0\ny,0,1\n",
        {},
        "there is no column 'Id' to name the images, and none of ['key', 'A', 'B']",
    ),
    "text for the only label": (
        "file,tags\na.jpg,None\nb.jpg,None\n",
        {"no_label": "None"},
        "no row has a label in column 'tags'",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_form_is_refused(form, tmp_path):
    content, options, message = REFUSED[form]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(tmp_path, content, **options)
    assert "t.csv" in str(caught.value) or "label_columns" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "table", "message"),
    [
        ("{\n", "t.jsonl", "line 1 is not JSON"),
        ("[1, 2]", "t.json", "but record 0 .counted from 0. is 1"),
        ('{"a": 1}\n{"b"}\n', "t.json", "line 2 is not JSON"),
        ('{"a": ["x"], "b": [1, 2]}', "t.json", r"got keys \['a', 'b'\]"),
        (json.dumps(COCO | {"categories": []}), "t.json", "lacks what COCO asks for"),
        ("", "t.json", "the table is empty"),
        (
            '{"a.jpg": ["x"], "b.jpg": ["y"], "a.jpg": ["y"]}',
            *("t.json", "the key 'a.jpg' occurs more than once in one object"),
        ),
        (
            '{"file": "a.jpg", "A": 1}\n{"file": "b.jpg", "A": 0, "A": 1}\n',
            *("t.jsonl", "the key 'A' occurs more than once in one object"),
        ),
        (
            json.dumps(COCO | {"images": [*COCO["images"], COCO["images"][0]]}),
            *("t.json", "the id of each of the images must be its own, but these .* 7"),
        ),
        (
            json.dumps(COCO | {"categories": [*COCO["categories"]] * 2}),
            *("t.json", "each of the categories must be its own, but these .* 1, 2"),
        ),
        (
            as_lines({"file": "a.jpg", "tags": ["A", None]}),
            *("t.jsonl", "row 0 .* must hold a list of names: got None in it"),
        ),
        (
            as_lines({"file": "a.jpg", "tags": [["A"]]}),
            *("t.jsonl", r"row 0 .* list of names: got \['A'\] in it"),
        ),
        (b"\x1f\x8bx", "t.csv.gz", "cannot be decompressed"),
        (as_zip(PLAIN)[:-9], "t.csv.zip", "cannot be decompressed"),
    ],
    ids=map(str, range(14)),  # Not bytes, which hold the time of day.
)
def test_a_damaged_file_is_refused(content, table, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, table=table)


def test_the_reading_says_what_was_found_out(tmp_path):
    content = "imdb;Titel;is_valid;Action;Drama\n7;Eins;0;1;0\n8;Zwei;1;0;1\n"
    posters = read(tmp_path, content, images=["007.jpg", "008.jpg"])
    assert posters.reading.splitlines() == [
        "table: semicolon-separated, encoding utf-8",
        f"images: 2 files in '{tmp_path / 'img'}', named by the column 'imdb'",
        "ids: 2 were found with leading zeros, such as '7' -> '007.jpg'",
        "labels: 2 columns of 0/1: 'Action', 'Drama'",
        "left out: 'Titel' (text)",
        "left out: 'is_valid' (named like a part of the rows)",
    ]
    assert posters.reading in posters.DESCR


def test_rows_without_image_or_labels_are_dropped_and_counted(tmp_path):
    content = "file,tags\na.jpg,A|B\nb.jpg,\nz.jpg,B\nc.jpg,B\n"
    posters = read(tmp_path, content, missing="drop")
    assert [path[-5:] for path in posters.data] == ["a.jpg", "c.jpg"]
    assert posters.target.to_numpy().tolist() == [[1, 1], [0, 1]]
    assert posters.groups.tolist() == posters.frame["file"].tolist()
    assert "dropped: 1 rows without an image, 'file': 'z.jpg'" in posters.reading
    assert "dropped: 1 rows without labels, 'file': 'b.jpg'" in posters.reading


def test_a_text_for_none_is_hinted_at(tmp_path):
    posters = read(tmp_path, "file,tags\na.jpg,A|B\nb.jpg,No Finding\n")
    assert "give no_label='No Finding'" in posters.reading


IDS = {
    "no suffix": ("a", "img/a.jpg"),
    "another case of the suffix": ("a.jpg", "img/a.JPG"),
    "no suffix, another case": ("a", "img/a.PNG"),
    "webp": ("a", "img/a.webp"),
    "tif": ("a.tif", "img/a.tif"),
    "gif": ("a", "img/a.gif"),
    "bmp": ("a", "img/a.bmp"),
    "jfif": ("a", "img/a.jfif"),
    "subfolders": ("x/y/a.jpg", "x/y/a.jpg"),
    "backslashes": ("img\\a.jpg", "img/a.jpg"),
    "the current folder": ("./img/a.jpg", "img/a.jpg"),
    "lost zeros": ("7", "img/007.jpg"),
    "lost zeros and a suffix": ("7.jpg", "img/007.jpg"),
    "a number as a float": ("7.0", "img/7.jpg"),
    "composed letters": (
        unicodedata.normalize("NFC", "é.jpg"),
        "img/" + unicodedata.normalize("NFD", "é.jpg"),
    ),
    "decomposed letters": (
        unicodedata.normalize("NFD", "é"),
        "img/" + unicodedata.normalize("NFC", "é.jpg"),
    ),
    "dots": ("a.b", "img/a.b.jpg"),
}


@pytest.mark.parametrize("form", IDS)
def test_an_id_finds_its_file(form, tmp_path):
    name, file = IDS[form]
    draw(tmp_path, file, "img/other.jpg")
    table = tmp_path / "t.csv"
    table.write_text(f"file,A,B\n{name},1,0\n", encoding="utf-8")
    posters = load_poster_table(table)
    assert posters.data.tolist() == [str(tmp_path / file)]


def test_absolute_paths_may_lead_elsewhere_and_it_is_said(tmp_path):
    draw(tmp_path, "far/a.jpg")
    (tmp_path / "near").mkdir()
    path = tmp_path / "far" / "a.jpg"
    posters = read(tmp_path / "near", f"file,A\n{path},1\nb.jpg,0\n")
    assert posters.data[0] == str(path)
    assert f"1 ids are paths that lead out of this folder, such as '{path}'" in (
        posters.reading
    )


def test_paths_may_begin_with_the_folder_of_the_table(tmp_path):
    draw(tmp_path, "set/train/a.jpg")
    table = tmp_path / "set" / "t.csv"
    table.write_text("Path,A,B\nset/train/a.jpg,1,0\n")
    assert load_poster_table(table).data[0] == str(tmp_path / "set/train/a.jpg")


def test_subfolders_of_a_given_folder_are_searched(tmp_path):
    draw(tmp_path, "images_001/a.jpg", "images_002/b.jpg")
    (tmp_path / "t.csv").write_text("file,A,B\na.jpg,1,0\nb.jpg,0,1\n")
    posters = load_poster_table(tmp_path / "t.csv", tmp_path)
    assert posters.data[1] == str(tmp_path / "images_002" / "b.jpg")
    draw(tmp_path, "images_003/a.jpg")
    with pytest.raises(ValueError, match=r"the id 'a.jpg' names several files below"):
        load_poster_table(tmp_path / "t.csv", tmp_path)


def test_two_folders_with_the_files_are_told_apart_by_images(tmp_path):
    draw(tmp_path, "jpg/a.jpg", "tif/a.tif")
    (tmp_path / "t.csv").write_text("file,A,B\na,1,0\n")
    message = re.escape(
        f"Give one of them: images='{tmp_path}/jpg' or images='{tmp_path}/tif'."
    )
    with pytest.raises(ValueError, match=message):
        load_poster_table(tmp_path / "t.csv")
    posters = load_poster_table(tmp_path / "t.csv", tmp_path / "tif")
    assert posters.data[0].endswith("a.tif")


def test_zeros_that_several_files_may_have_lost_are_not_guessed(tmp_path):
    content = "file,A,B\n7,1,0\n8,0,1\n9,0,1\n"
    images = ["007.jpg", "07.jpg", "8.jpg", "9.jpg"]
    with pytest.raises(FileNotFoundError, match=r"1 of 3 posters have no image.*'7'"):
        read(tmp_path, content, images=images)


def test_ids_of_one_file_are_one_group(tmp_path):
    posters = read(tmp_path, "file,A,B\na,1,0\na.jpg,0,1\nb,1,1\n")
    assert posters.groups[0] == posters.groups[1] != posters.groups[2]
    assert "groups: paths, because several ids name one file" in posters.reading


def test_a_frame_is_read_and_not_changed(tmp_path):
    draw(tmp_path, *JPG)
    frame = pd.DataFrame({" A ": [True, False, True], "B": [0.0, 1.0, 1.0]}, index=JPG)
    before = frame.copy()
    posters = load_poster_table(frame, tmp_path)
    pd.testing.assert_frame_equal(frame, before)
    assert posters.target_names == ["A", "B"]
    assert posters.target.to_numpy().tolist() == AB
    assert posters.data[0] == str(tmp_path / "a.jpg")


def test_a_frame_of_categories_lists_and_missing_values_is_read(tmp_path):
    draw(tmp_path, *JPG)
    frame = pd.DataFrame({"file": pd.Categorical(JPG), "A": [1, None, 0]})
    frame["B"] = pd.array([1, 0, pd.NA], dtype="Int64")
    posters = load_poster_table(frame, tmp_path, unknown=NAN)
    np.testing.assert_array_equal(posters.target, [[1, 1], [NAN, 0], [0, NAN]])
    frame = pd.DataFrame({"file": JPG, "tags": [("A",), {"B"}, np.array(["A", "B"])]})
    assert load_poster_table(frame, tmp_path).target.to_numpy().tolist() == AB


def test_images_in_the_table_are_handed_on_unchanged(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (4, 6)).save(file, "PNG")
    cell = {"bytes": file.getvalue(), "path": None}
    cells = [cell, dict(cell), {"bytes": b"other", "path": "x"}]
    frame = pd.DataFrame({"image": cells, "labels": [["A"], ["B"], ["A", "B"]]})
    posters = load_poster_table(frame)
    assert posters.data[0] is cell
    assert posters.groups[0] == posters.groups[1] != posters.groups[2]
    assert "images: 3 in the column 'image', no files" in posters.reading
    frame["image"] = [file.getvalue(), Image.new("L", (4, 6)), None]
    with pytest.raises(ValueError, match=r"row 2 .counted from 0. has no image"):
        load_poster_table(frame)
    posters = load_poster_table(frame, missing="drop")
    assert posters.target.to_numpy().tolist() == AB[:2]


def test_parquet_is_read_with_the_names_of_classes(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    draw(tmp_path, *JPG)
    table = pa.table({"file": JPG, "labels": [[0], [1], [0, 1]]})
    classes = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    features = {"labels": {"feature": classes, "_type": "List"}}
    info = json.dumps({"info": {"features": features}})
    table = table.replace_schema_metadata({"huggingface": info})
    parquet.write_table(table, tmp_path / "t.parquet")
    posters = load_poster_table(tmp_path / "t.parquet")
    assert posters.target_names == ["cat", "dog"]
    assert posters.target.to_numpy().tolist() == AB


def test_parquet_may_name_the_images_in_its_index(tmp_path):
    pytest.importorskip("pyarrow")
    draw(tmp_path, *JPG)
    frame = pd.DataFrame(AB, columns=["A", "B"], index=pd.Index(JPG, name="file"))
    frame.to_parquet(tmp_path / "t.parquet")
    posters = load_poster_table(tmp_path / "t.parquet")
    assert [path[-5:] for path in posters.data] == list(JPG)
    assert posters.target.to_numpy().tolist() == AB


def test_excel_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    def raise_missing(*args, **options):
        raise ImportError("Missing optional dependency 'openpyxl'.")

    monkeypatch.setattr(pd, "ExcelFile", raise_missing)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(ImportError, match=r"pip install openpyxl for .xlsx"):
        load_poster_table(tmp_path / "t.xlsx")


def test_excel_is_read(tmp_path):
    pytest.importorskip("openpyxl")
    draw(tmp_path, "img/007.jpg", "img/008.jpg")
    frame = pd.DataFrame({"id": [7, 8], "A": [True, False], "N/A": [0, 1]})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    posters = load_poster_table(tmp_path / "t.xlsx")
    assert posters.target.to_numpy().tolist() == [[1, 0], [0, 1]]
    assert posters.target_names == ["A", "N/A"]


def test_polars_is_read(tmp_path):
    polars = pytest.importorskip("polars")
    draw(tmp_path, *JPG)
    frame = polars.DataFrame({"file": JPG, "tags": [["A"], ["B"], ["A", "B"]]})
    posters = load_poster_table(frame, tmp_path)
    assert posters.target.to_numpy().tolist() == AB


def test_rows_of_one_label_each_become_one_row_an_image(tmp_path):
    content = "ImageID,LabelName\na,A\nb,B\nc,A\nc,B\n"
    posters = read(tmp_path, content)
    assert posters.target.to_numpy().tolist() == AB
    assert (
        posters.groups.tolist() == ["a", "b", "c"] == posters.frame["ImageID"].tolist()
    )
    assert "joined: 4 rows of one label each to the 3 images" in posters.reading


def test_columns_that_name_the_same_files_are_no_choice(tmp_path):
    content = "file,path,A,B\na.jpg,img/a.jpg,1,0\nb.jpg,img/b.jpg,0,1\n"
    assert "column 'file'" in read(tmp_path, content).reading


def test_columns_that_name_different_files_are_a_choice(tmp_path):
    content = "left,right,A,B\na.jpg,b.jpg,1,0\nb.jpg,a.jpg,0,1\n"
    message = "several columns name images. Give one of them: id_column='left' or id_"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)
    posters = read(tmp_path, content, id_column="right")
    assert posters.data[0].endswith("b.jpg")


def test_a_table_with_too_many_columns_is_refused_before_it_is_read(tmp_path):
    header = ",".join(["Id", *map(str, range(20_000))])
    row = ",".join(["a"] + ["0"] * 20_000)
    message = r"may have 20,000 columns at most: the header has 20,001 or more\. Leave"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, f"{header}\n{row}\n")


# ------------------------------------------------------ what only a stranger's file has


@pytest.fixture
def write_features(tmp_path):
    """Function that writes a table of two posters as Hugging Face's datasets do."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    draw(tmp_path, "a.jpg", "b.jpg")

    def write(metadata, labels=(0, 1)):
        table = pa.table({"file": ["a.jpg", "b.jpg"], "labels": list(labels)})
        if not isinstance(metadata, str):
            metadata = json.dumps({"info": {"features": metadata}})
        table = table.replace_schema_metadata({"huggingface": metadata})
        parquet.write_table(table, tmp_path / "t.parquet")
        return load_poster_table(tmp_path / "t.parquet")

    return write


def of_classes(names):
    return {"labels": {"_type": "ClassLabel", "names": names}}


@pytest.mark.parametrize(
    "metadata",
    [
        *("{", "[]", "null", '{"info": 1}', '{"info": {}}', "[" * 10_000),
        *('{"info": {"features": [1]}}', '{"info": {"features": null}}'),
        *(of_classes("cat"), of_classes({"0": "cat"}), of_classes([1, 2])),
        of_classes(["cat", "cat"]),
    ],
    ids=lambda metadata: str(metadata)[:40],
)
def test_odd_metadata_of_classes_are_refused(metadata, write_features):
    message = (
        r"t\.parquet: its metadata 'huggingface' must name the classes of each column,"
        r".* Write the file again with datasets, or read it with pandas"
    )
    with pytest.raises(ValueError, match=message):
        write_features(metadata)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        *(([0, 2], "2 in row 1"), ([-2, 1], "-2 in row 0"), ([0.5, 1.0], "0.5 in row")),
        *(([[0], [-1]], "-1 in row 1"), (["0", "1"], "'0' in row 0")),
        ([[[0]], [[1]]], r".*\[0\].* in row 0"),
    ],
)
def test_numbers_of_no_class_are_refused(labels, shown, write_features):
    message = rf"column 'labels' must hold numbers of its 2 classes, .* got {shown}"
    with pytest.raises(ValueError, match=message):
        write_features(of_classes(["cat", "dog"]), labels)


def test_metadata_of_columns_that_are_not_there_are_passed_over(write_features):
    other = {"other": {"_type": "ClassLabel", "names": ["x", "y"]}, "more": None}
    posters = write_features(of_classes(["cat", "dog"]) | other)
    assert posters.target_names == ["cat", "dog"]


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("content", "table", "message"),
    [
        (f"Id,A,B\n{DIGITS},1,0\n{DIGITS}.0,0,1\n", "t.csv", "no image of the ids"),
        (f"Id,A,B\na,{DIGITS},0\nb,0,1\n", "t.csv", "0 or 1, got '999.*row 0"),
        (
            f'[{{"Id": "a", "A": {DIGITS}}}, {{"Id": "b", "A": 1}}]',
            "t.json",
            "got '999",
        ),
    ],
)
def test_cells_of_thousands_of_digits_are_named(content, table, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        read(tmp_path, content, ["a.jpg", "b.jpg"], table)
    assert "int_max_str_digits" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_number_that_python_cannot_print_is_a_text():
    assert as_text(10**5000).startswith("0x")


HALF = "\ud83d"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (json.dumps([{"file": "a", "tags": [f"x{HALF}"]}]), {}, "JSON must hold read"),
        (json.dumps([{"file": f"a{HALF}", "A": 1}]), {}, r"character, '\\ud83d', is"),
        (as_lines({"file": "a", f"A{HALF}": 1}), {}, "JSON must hold readable text"),
        # That of a byte, which names of files may hold.
        (json.dumps([{"file": "a", "tags": ["\udce9"]}]), {}, "labels must be readab"),
        (json.dumps([{"file": "a", "\udce9": 1}]), {}, "names must be readable text"),
        (json.dumps({"file": ["a"], "\udce9": [1]}), {}, "names must be readable"),
    ],
)
def test_halves_of_characters_are_refused(content, options, message, tmp_path):
    with pytest.raises(ValueError, match=rf"t\.json.*: .*{message}"):
        read(tmp_path, content, table="t.json", **options)


def test_whole_characters_and_names_of_files_pass(tmp_path):
    records = [{"file": "a", "\U0001f600": 1}, {"file": "b\udce9", "\U0001f600": 0}]
    posters = read(tmp_path, json.dumps(records), ("a.jpg", "b\udce9.jpg"), "t.json")
    assert posters.target_names == ["\U0001f600"]


@pytest.mark.parametrize(
    ("table", "kind", "package"),
    [
        *(("t.parquet", "Parquet", "pyarrow"), ("t.feather", "Feather", "pyarrow")),
        *(("t.xlsx", "Excel", "pandas"), ("t.ods", "Excel", "pandas")),
    ],
)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PK\3\4" + b"x" * 99, b"x" * 99])
def test_damaged_tables_are_named(table, kind, package, content, tmp_path):
    pytest.importorskip(package)
    message = rf"{table}: the table cannot be read as {kind}, .* Write the file again"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, table=table)


def test_feather_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.feather", None)
    with pytest.raises(ImportError, match=r"t\.feather: .* \(pip install pyarrow\)"):
        read(tmp_path, b"", table="t.feather")


@pytest.mark.parametrize("table", ["t.feather", "t.arrow"])
def test_lists_that_end_outside_of_a_table_do_not_end_the_process(table, tmp_path):
    feather = pytest.importorskip("pyarrow.feather")
    frame = pd.DataFrame({"file": ["a", "b"], "tags": [["x"], ["y", "x"]]})
    feather.write_feather(frame, tmp_path / table, compression="uncompressed")
    content, ends = (tmp_path / table).read_bytes(), np.array([0, 1, 3], "<i4")
    assert content.count(ends.tobytes()) == 1
    content = content.replace(ends.tobytes(), (ends * 10**8).tobytes())
    with pytest.raises(ValueError, match=rf"{table}: the table cannot be read as Fea"):
        read(tmp_path, content, table=table)


def with_password(content):
    """Set the flag of a password in each member of a zip."""
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(mark) + place
        content = content[:at] + b"\1" + content[at + 1 :]
    return content


@pytest.mark.parametrize(
    ("content", "table", "message"),
    [
        (gzip.compress(PLAIN.encode())[:-12], "t.csv.gz", "cannot be decompressed"),
        (b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 9, "t.csv.gz", "cannot be decompr"),
        (b"BZh9" + b"x" * 30, "t.csv.bz2", "cannot be decompressed: Invalid data"),
        (b"\xfd7zXZ\0" + b"x" * 30, "t.csv.xz", "cannot be decompressed"),
        (with_password(as_zip(PLAIN)), "t.csv.zip", "cannot be unpacked here: .*pass"),
        (
            as_zip(PLAIN).replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\xff"),
            "t.csv.zip",
            "cannot be decompressed: zip file version",
        ),
        ("sep=,\n", "t.csv", "the table is empty"),
    ],
    ids=map(str, range(7)),  # Not bytes, which hold the time of day.
)
def test_damaged_compression_is_named(content, table, message, tmp_path):
    with pytest.raises(ValueError, match=rf"{table}: .*{message}"):
        read(tmp_path, content, table=table)


@pytest.mark.parametrize(
    ("table", "compress"),
    [
        *(("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress)),
        *(("t.csv.xz", lzma.compress), ("t.csv.zip", as_zip)),
        *(("t.json.gz", gzip.compress), ("t.json.zip", as_zip)),
    ],
)
def test_a_table_that_decompresses_without_end_is_refused(
    table, compress, tmp_path, monkeypatch
):
    text = PLAIN + "d.jpg,0,0\n" * 50_000
    if "json" in table:
        text = "\n" * 500_000
    monkeypatch.setattr(_compressed, "MAX_UNPACKED", 400_000)
    message = rf"{table}: .* takes more than the 400,000 bytes allowed.* decompress it"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, compress(text.encode()), table=table)


def test_a_spreadsheet_that_decompresses_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_compressed, "MAX_UNPACKED", len(PLAIN) - 1)
    with pytest.raises(ValueError, match=r"t\.xlsx: .* bytes .* save it as CSV"):
        read(tmp_path, as_zip(PLAIN), table="t.xlsx")


def test_a_parquet_table_that_decompresses_without_end_is_refused(
    tmp_path, monkeypatch
):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"file": ["a" * 1000] * 5000, "A": [1] * 5000})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 5000
    monkeypatch.setattr(_source, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(ValueError, match=r"t\.parquet: .* bomb.* read it with pandas"):
        load_poster_table(tmp_path / "t.parquet")
