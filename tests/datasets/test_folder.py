"""One folder per label: what is read, what is skipped, and what is refused."""

import re
from pathlib import Path

import pytest
from PIL import Image

from sk_posters.datasets import load_poster_folder


def draw(folder, **colours):
    for name, colour in colours.items():
        path = folder / name.replace("__", "/").replace("_png", ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 6), colour).save(path)
    return folder


def test_a_file_in_several_folders_has_several_labels(tmp_path):
    draw(tmp_path, dog__1_png="red", cat__1_png="red", cat__2_png="blue")
    posters = load_poster_folder(tmp_path)
    assert posters.target_names == ["cat", "dog"]
    assert posters.target.to_numpy().tolist() == [[1, 1], [1, 0]]
    assert posters.data.tolist() == [
        *(str(tmp_path / "cat" / "1.png"), str(tmp_path / "cat" / "2.png"))
    ]
    assert posters.groups.tolist() == ["cat/1.png", "cat/2.png"]
    assert "several labels: 1 images are in several folders" in posters.reading


def test_the_same_content_under_another_name_is_the_same_image(tmp_path):
    draw(tmp_path, dog__9_png="red", cat__1_png="red", dog__2_png="blue")
    posters = load_poster_folder(tmp_path)
    assert [Path(path).name for path in posters.data] == ["1.png", "2.png"]
    assert posters.target.to_numpy().tolist() == [[1, 1], [0, 1]]


def test_copies_in_one_folder_stay_rows(tmp_path):
    draw(tmp_path, cat__1_png="red", cat__2_png="red", dog__3_png="blue")
    posters = load_poster_folder(tmp_path)
    assert posters.target.to_numpy().tolist() == [[1, 0], [1, 0], [0, 1]]


def test_different_images_of_one_name_need_a_decision(tmp_path):
    draw(tmp_path, cat__1_png="red", dog__1_png="blue")
    message = "cat/1.png and dog/1.png have the same name and different contents. Give"
    with pytest.raises(ValueError, match=message):
        load_poster_folder(tmp_path)
    _, one = load_poster_folder(tmp_path, same_name="one", return_X_y=True)
    assert one.to_numpy().tolist() == [[1, 1]]
    _, two = load_poster_folder(tmp_path, same_name="different", return_X_y=True)
    assert two.to_numpy().tolist() == [[1, 0], [0, 1]]


def test_what_is_skipped_is_counted_and_named(tmp_path):
    draw(tmp_path, cat__1_png="red", dog__2_png="blue", loose_png="red")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "dog" / "loop.png").symlink_to(tmp_path / "dog" / "loop.png")
    reading = load_poster_folder(tmp_path).reading.splitlines()
    assert reading[2:] == [
        "skipped: 1 images without a label, directly in the folder: 'loose.png'",
        "skipped: 3 files that are no images: 'cat/notes.txt', 'dog/gone.png', "
        "'dog/loop.png'",
        "skipped: 1 folders without images: 'empty'",
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["train__cat__1_png", "valid__dog__2_png"],
            "the folders ['train', 'valid'] are named like parts of the data",
        ),
        (
            ["a__cat__1_png", "b__dog__2_png"],
            "images must lie directly in the folder of their label, but 2 lie deeper",
        ),
        (["cat__1_png"], "there must be two or more folders with images"),
        (["1_png"], "got [] (1 images lie in no folder)"),
    ],
)
def test_other_layouts_are_refused(files, message, tmp_path):
    draw(tmp_path, **dict.fromkeys(files, "red"))
    with pytest.raises(ValueError, match=re.escape(message)):
        load_poster_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere'"):
        load_poster_folder(tmp_path / "nowhere")
