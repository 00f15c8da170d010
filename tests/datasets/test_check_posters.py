"""Findings of check_posters: each kind from posters made to have it, and no other."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from sklearn.model_selection import KFold

from sk_posters import PosterCheck, check_posters
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.datasets._checks import _files, _label_findings, _near, _rows
from sk_posters.model_selection import MultilabelStratifiedGroupKFold

N = 12


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Folder of synthetic posters; tests add files of their own elsewhere."""
    home = tmp_path_factory.mktemp("drawn")
    return make_posters(
        N, n_labels=3, image_size=(222, 150), random_state=0, data_home=home
    )


@pytest.fixture
def paths(drawn):
    return list(drawn.data)


@pytest.fixture
def y():
    """Two labels, each 1 and 0 in half of the rows."""
    return pd.DataFrame({"Comedy": [0, 1] * (N // 2), "Drama": [1, 0] * (N // 2)})


def found(check, kind):
    """Return the findings of one kind, as (rows, labels)."""
    few = check.findings[check.findings["kind"] == kind]
    return list(zip(few["rows"], few["labels"], strict=True))


def detail(check, kind):
    return check.findings.set_index("kind").loc[[kind], "detail"].iloc[0]


def with_file(paths, row, path):
    """Return the paths with another file in one row."""
    return [path if i == row else each for i, each in enumerate(paths)]


def test_nothing_is_found_where_nothing_is_wrong(paths, y):
    check = check_posters(paths, y, [f"tt{row}" for row in range(N)])
    assert isinstance(check, PosterCheck)
    assert len(check.findings) == 0
    assert list(check.findings) == [
        *("kind", "severity", "rows", "paths", "labels", "detail", "advice")
    ]
    assert check.groups.tolist() == list(range(N))
    assert str(check).endswith("nothing was found")
    assert check.to_html().startswith("<div>")


def test_a_file_that_cannot_be_decoded_is_named_with_all_its_rows(paths, y, tmp_path):
    content = Path(paths[0]).read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(content[: len(content) // 2])
    check = check_posters([cut, cut, "missing.jpg", *paths[3:]], y)
    assert found(check, "unreadable file") == [((0, 1), ()), ((2,), ())]
    assert check.findings["detail"][0].startswith("cannot be decoded, it may be damag")
    assert check.findings["severity"].unique().tolist()[0] == "error"
    assert check.findings["paths"][0] == (str(cut),)
    assert check.groups.tolist() == [0, 0, *range(1, N - 1)]


def test_an_image_of_one_colour_is_blank_also_after_compression(paths, y, tmp_path):
    blank, lettered = tmp_path / "blank.jpg", tmp_path / "lettered.jpg"
    image = Image.new("RGB", (150, 222), (90, 30, 60))
    image.save(blank)
    image.paste((250, 250, 250), (40, 100, 110, 110))
    image.save(lettered)
    check = check_posters([blank, lettered, *paths[2:]], y)
    assert found(check, "blank image") == [((0,), ())]


def test_blank_images_are_no_near_duplicates_of_each_other(paths, y, tmp_path):
    for row, level in enumerate([10, 200]):
        path = tmp_path / f"{level}.png"
        Image.new("L", (150, 222), level).save(path)
        paths[row] = path
    check = check_posters(paths, y)
    assert found(check, "near duplicates") == []
    assert check.groups.tolist() == list(range(N))


def test_only_blank_images_have_no_near_duplicates(tmp_path):
    Image.new("L", (150, 222)).save(tmp_path / "a.png")
    check = check_posters([tmp_path / "a.png"], [[1]])
    assert check.groups.tolist() == [0]


@pytest.mark.parametrize(
    ("size", "kinds"), [((63, 222), ["tiny image"]), ((64, 64), [])]
)
def test_an_image_is_tiny_by_its_shorter_side(size, kinds, paths, y, tmp_path):
    path = tmp_path / "small.png"
    Image.open(paths[0]).resize(size).save(path)
    check = check_posters(with_file(paths, 0, path), y)
    assert check.findings["kind"].tolist() == kinds
    assert len(check_posters(with_file(paths, 0, path), y, min_side=63).findings) == 0


@pytest.mark.parametrize("way", ["path", "file content", "pixels"])
def test_exact_duplicates_are_found(way, paths, y, tmp_path):
    copy = tmp_path / "copy.png"
    if way == "path":
        copy = paths[0]
    elif way == "file content":
        copy.write_bytes(Path(paths[0]).read_bytes())
    else:
        Image.open(paths[0]).save(copy)
    check = check_posters(with_file(paths, 2, copy), y, range(N), max_distance=None)
    assert found(check, "exact duplicates") == [((0, 2), ())]
    assert detail(check, "exact duplicates") == f"2 rows have the same {way}"
    assert found(check, "other labels") == []
    assert check.groups[2] == check.groups[0] == 0


def test_the_same_pixels_in_another_shape_are_no_duplicates(y, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, 64 * 128 * 3, dtype=np.uint8)
    Image.fromarray(pixels.reshape(64, 128, 3)).save(tmp_path / "wide.png")
    Image.fromarray(pixels.reshape(128, 64, 3)).save(tmp_path / "high.png")
    paths = [tmp_path / "wide.png", tmp_path / "high.png"]
    assert found(check_posters(paths, y[:2]), "exact duplicates") == []


@pytest.mark.parametrize("way", ["smaller", "recompressed", "darker"])
def test_near_duplicates_are_found(way, paths, y, tmp_path):
    image = Image.open(paths[0])
    if way == "smaller":
        image = image.resize((110, 160))
    elif way == "darker":
        image = image.point(lambda level: 0.8 * level)
    image.save(tmp_path / "like.jpg", quality=30)
    paths = with_file(paths, 2, tmp_path / "like.jpg")
    check = check_posters(paths, y)
    assert found(check, "near duplicates") == [((0, 2), ())]
    assert re.match(
        r"2 images look alike \(hashes differ in up to [0-6] of 64 bits\)$",
        detail(check, "near duplicates"),
    )
    assert check.groups.tolist() == [0, 1, 0, *range(2, N - 1)]
    assert found(check_posters(paths, y, max_distance=None), "near duplicates") == []


@pytest.mark.parametrize("quality", [30, 95])
def test_mirrored_copies_are_found_and_named(quality, paths, y, tmp_path):
    image = ImageOps.mirror(Image.open(paths[0]).convert("RGB"))
    image.resize((110, 160)).save(tmp_path / "like.jpg", quality=quality)
    paths = with_file(paths, 2, tmp_path / "like.jpg")
    check = check_posters(paths, y)
    assert found(check, "near duplicates") == [((0, 2), ())]
    assert re.match(
        r"2 images look alike, if mirrored \(hashes differ in up to [0-4] of 64 bit",
        detail(check, "near duplicates"),
    )
    assert check.groups.tolist() == [0, 1, 0, *range(2, N - 1)]


def test_a_mirror_image_may_differ_in_half_as_many_bits(paths, monkeypatch):
    def facts(code, mirrored):
        return _files.PosterFacts(None, 9, 9, 9.0, None, b"%d" % code, code, mirrored)

    def looks(*codes):
        facts_of = [facts(*each) for each in codes]
        sources = np.array([str(row) for row in range(len(codes))], dtype=object)
        return _rows.PosterRows(sources, facts_of, None, [], None, 8).looks.tolist()

    # 0b1111 differs from 0 in 4 bits, 0b11111 in 5, and 0xFF in 8.
    far = 0xFFFF0000
    assert looks((0, far), (far << 32, 0b1111)) == [0, 0]
    assert looks((0, far), (far << 32, 0b11111)) == [0, 1]
    assert looks((0, far), (0xFF, far << 32)) == [0, 0]
    assert looks((0, far), (far, far << 32)) == [0, 0]
    assert looks((0, 0), (far, far)) == [0, 1]


def test_near_duplicates_with_other_labels_are_reported_to_have_them(
    paths, y, tmp_path
):
    Image.open(paths[0]).resize((110, 160)).save(tmp_path / "like.png")
    check = check_posters(with_file(paths, 1, tmp_path / "like.png"), y)
    assert found(check, "near duplicates") == [((0, 1), ("Comedy", "Drama"))]
    assert detail(check, "near duplicates").endswith("but have other labels")
    assert found(check, "other labels") == []


def test_repeated_ids_are_found_whatever_their_images(paths, y):
    ids = ["a", "b", "a", "c", "b", *range(5, N)]
    check = check_posters(with_file(paths, 2, paths[0]), y, ids)
    assert found(check, "repeated id") == [((0, 2), ()), ((1, 4), ())]
    details = check.findings.loc[check.findings["kind"] == "repeated id", "detail"]
    assert details.tolist() == [
        "2 rows have one id, with the same image",
        "2 rows have one id, with 2 different images",
    ]
    assert found(check, "exact duplicates") == []
    assert found(check, "other labels") == [((1, 4), ("Comedy", "Drama"))]
    assert check.groups.tolist() == [0, 1, 0, 2, 1, *range(3, N - 2)]


def test_ids_and_images_join_rows_in_turn(paths, y):
    ids = ["a", "b", "c", "b", *range(4, N)]
    check = check_posters(with_file(paths, 3, paths[0]), y, ids)
    assert check.groups.tolist() == [0, 1, 2, 1, *range(3, N - 1)] or (
        check.groups.tolist() == [0, 0, 1, 0, *range(2, N - 2)]
    )
    assert check.groups[0] == check.groups[1] == check.groups[3]


def test_rows_of_one_image_that_disagree_are_named_by_label(paths, y):
    check = check_posters(with_file(paths, 1, paths[0]), y, range(N))
    assert found(check, "other labels") == [((0, 1), ("Comedy", "Drama"))]
    assert detail(check, "other labels") == (
        "rows of one image: 'Comedy' is 1 in [1], 0 in [0]; 'Drama' is 1 in [0], 0 in "
        "[1]"
    )


def test_constant_and_rare_labels_are_found(paths, y):
    y = y.assign(Never=0, Always=1, Rare=[1] * 4 + [0] * (N - 4))
    y = y.assign(Frequent=1 - y["Rare"])
    check = check_posters(paths, y)
    assert found(check, "constant label") == [((), ("Never",)), ((), ("Always",))]
    assert found(check, "rare label") == [
        ((0, 1, 2, 3), ("Rare",)),
        ((0, 1, 2, 3), ("Frequent",)),
    ]
    assert detail(check, "constant label") == "'Never' is 0 in all 12 rows"
    assert detail(check, "rare label") == (
        "'Rare' is 1 in 4 different posters, fewer than 5 folds"
    )
    assert found(check_posters(paths, y, n_splits=4), "rare label") == []


def test_rows_of_one_group_count_once_for_a_rare_label(paths, y):
    y = y.assign(Rare=[1] * 6 + [0] * 6)
    ids = [0, 0, 0, 1, 2, 3, *range(4, 10)]
    check = check_posters(paths, y, ids)
    assert found(check, "rare label") == [((0, 1, 2, 3, 4, 5), ("Rare",))]
    assert "is 1 in 4 different posters" in detail(check, "rare label")


def test_text_that_contradicts_the_columns_is_found(paths, y):
    text = ["['Drama']", "['Comedy']"] * (N // 2)
    text[1] = "['Drama', 'Western']"
    text[2] = "Drama"
    text[3] = []
    text[4] = ["Drama", "Drama"]
    check = check_posters(paths, y, genre_text=pd.Series(text, index=range(5, 5 + N)))
    assert found(check, "contradicting text") == [
        ((1,), ("Comedy", "Drama", "Western")),
        ((2,), ()),
        ((3,), ("Comedy",)),
    ]
    assert check.findings["detail"].tolist() == [
        "only the text says ['Drama', 'Western'], only the columns say ['Comedy']",
        "not a list of names: 'Drama'",
        "only the columns say ['Comedy']",
    ]


def test_forgotten_and_wrong_labels_are_listed_by_certainty(paths, y):
    scores = 0.1 + 0.8 * y.to_numpy()  # Even rows are Drama, odd ones Comedy.
    scores[[3, 5], 0] = 0.3, 0.01
    scores[[4, 6, 8], 0] = 0.95, 0.97, 0.96
    check = check_posters(paths, y, scores=scores)
    assert found(check, "forgotten label") == [
        *(((6,), ("Comedy",)), ((8,), ("Comedy",)), ((4,), ("Comedy",)))
    ]
    assert found(check, "wrong label") == [((5,), ("Comedy",)), ((3,), ("Comedy",))]
    assert check.counts()["findings"].to_dict() == {
        "forgotten label": 3,
        "wrong label": 2,
    }
    assert detail(check, "forgotten label") == (
        "'Comedy' is 0, but a model that did not see the row says 0.97"
    )
    assert detail(check, "wrong label") == (
        "'Comedy' is 1, but a model that did not see the row says 0.01"
    )
    assert set(check.findings["severity"]) == {"note"}
    for text in (str(check), check.to_html()):
        assert "add the label if it fits" in text
        assert "remove the label if wrong" in text


def test_scores_may_be_a_frame_or_a_list_of_two_columns_each(paths, y):
    scores = pd.DataFrame(0.1 + 0.8 * y.to_numpy(), columns=y.columns)
    scores.iloc[4, 0] = 0.97
    as_list = [np.column_stack([1 - s, s]) for s in scores.to_numpy().T]
    for form in (scores, as_list):
        check = check_posters(paths, y, scores=form)
        assert found(check, "forgotten label") == [((4,), ("Comedy",))]


def test_suspicious_pairs_follow_from_thresholds_made_by_hand():
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]])
    # The mean score of the ones is 0.6, that of the zeros 0.4.
    first = np.array([0.9, 0.3, 0.59, 0.61, 0.0])
    scores = np.column_stack([first, first, first])
    cells = _label_findings.find_suspicious_pairs(labels, scores)
    assert cells.tolist() == [[1, 0], [3, 0]]


def test_suspicious_pairs_are_those_that_were_flipped_where_scores_are_good():
    random = np.random.default_rng(0)
    labels = (random.random((2000, 3)) < [0.5, 0.2, 0.05]).astype(int)
    scores = np.clip(labels * 0.8 + 0.1 + 0.1 * random.normal(size=labels.shape), 0, 1)
    flipped = random.random(labels.shape) < 0.01
    cells = _label_findings.find_suspicious_pairs(
        np.where(flipped, 1 - labels, labels), scores
    )
    hits = flipped[tuple(cells.T)]
    assert hits.all()
    assert len(hits) > 10


def test_a_leak_is_found_where_a_group_is_on_both_sides(paths, y):
    paths = with_file(paths, 11, paths[1])
    splits = KFold(2)
    check = check_posters(paths, y, splits=splits)
    assert found(check, "leak") == [((1, 11), ())]
    assert detail(check, "leak") == (
        "one image on both sides of 2 of 2 splits: in split 0, rows [11] train and "
        "rows [1] test"
    )
    folds = MultilabelStratifiedGroupKFold(2)
    kept = list(folds.split(paths, y, check.groups))
    assert found(check_posters(paths, y, splits=kept), "leak") == []


def test_a_leak_says_why_its_rows_belong_together(paths, y, tmp_path):
    Image.open(paths[0]).resize((110, 160)).save(tmp_path / "like.png")
    paths = with_file(paths, 6, tmp_path / "like.png")
    ids = [*range(8), 8, 1, 2, 11]
    paths[2] = paths[5]
    splits = [(range(6, N), range(6)), ([0, 3], [3, 4])]
    check = check_posters(paths, y, ids, splits=splits)
    details = check.findings.loc[check.findings["kind"] == "leak", "detail"]
    assert [text.partition(" on both")[0] for text in details] == [
        "near duplicates",
        "one id",
        "ids and images that belong together",
        "one row",
    ]


def test_splits_may_be_masks(paths, y):
    train = np.arange(N) < 6
    assert found(check_posters(paths, y, splits=[(train, ~train)]), "leak") == []
    check = check_posters(paths, y, splits=[(train, train)])
    assert len(found(check, "leak")) == 6


def test_a_cross_validator_is_given_the_groups(paths, y):
    ids = np.arange(N) // 2
    folds = MultilabelStratifiedGroupKFold(3)
    assert found(check_posters(paths, y, ids, splits=folds), "leak") == []
    with pytest.raises(ValueError, match="groups must be given"):
        check_posters(paths, y, splits=folds)


def test_the_most_severe_findings_come_first(paths, y, tmp_path):
    Image.open(paths[0]).resize((30, 40)).save(tmp_path / "small.png")
    paths = ["missing.jpg", tmp_path / "small.png", *paths[2:]]
    scores = 0.1 + 0.8 * y.to_numpy()
    scores[4, 0] = 0.97
    check = check_posters(paths, y, genre_text=["[]"] * N, scores=scores)
    severities = check.findings["severity"].tolist()
    assert severities == ["error"] * 13 + ["warning", "note"]
    counts = check.counts()
    assert counts["findings"].to_dict() == {
        "unreadable file": 1,
        "contradicting text": 12,
        "tiny image": 1,
        "forgotten label": 1,
    }
    assert counts["severity"].tolist() == ["error", "error", "warning", "note"]


def test_text_of_all_kinds_is_shorter_than_45_lines(drawn, tmp_path):
    paths = list(drawn.data)
    cut, blank, near, small = (tmp_path / f"{i}.png" for i in range(4))
    cut.write_bytes(b"no image")
    Image.new("L", (99, 99)).save(blank)
    Image.open(paths[0]).resize((110, 160)).save(near)
    Image.open(paths[1]).resize((30, 40)).save(small)
    paths[2:6] = [cut, blank, near, small]
    paths[6] = paths[7]
    ids = [*range(N - 1), 0]
    y = pd.DataFrame(
        {"<b>": [0, 1] * (N // 2), "Never": 0, "Rare": [1] + [0] * (N - 1)}
    )
    check = check_posters(
        paths,
        y,
        ids,
        genre_text=["[]"] * N,
        scores=np.column_stack([1 - y["<b>"], y["Never"], y["Rare"]]),
        splits=KFold(2),
    )
    assert len(check.counts()) == 13
    lines = str(check).splitlines()
    assert len(lines) < 45
    assert max(map(len, lines)) <= 88
    # What to do is never cut short.
    assert {line.strip() for line in lines} >= set(check.findings["advice"])
    assert repr(check) == str(check)
    page = check._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert all(advice in page for advice in check.findings["advice"])


def test_text_and_html_name_the_first_rows_of_a_kind(paths, y):
    check = check_posters(paths, y, genre_text=["[]"] * N)
    assert "contradicting text, in rows 0, 1, 2, 3, 4, 5, 6, 7 and 4 more" in str(check)
    assert "… and 2 more in findings" in check.to_html()


def test_long_lists_of_rows_are_shortened(paths, y):
    check = check_posters([paths[0]] * N, y[["Drama"]] * 0 + 1, max_distance=None)
    assert "in rows 0, 1, 2, 3, 4, 5, 6, 7 and 4 more" in str(check)
    assert "<td>0, 1, 2, 3, 4, 5, 6, 7 and 4 more</td>" in check.to_html()


def test_the_text_says_what_was_skipped(paths, y):
    check = check_posters(paths, y, splits=KFold(2), max_distance=None)
    assert check.about == [
        "12 rows, 12 files, 2 labels, 12 groups of rows that belong together",
        "skipped, because not given: genre_text, scores, max_distance",
    ]
    scores = np.full(y.shape, 0.5)
    text = ["['Drama']", "['Comedy']"] * (N // 2)
    check = check_posters(paths, y, genre_text=text, scores=scores, splits=KFold(2))
    assert len(check.about) == 1


def test_the_number_of_threads_and_the_progress_bar_change_nothing(paths, y, capsys):
    one = check_posters(paths, y, n_jobs=1)
    two = check_posters(paths, y, n_jobs=2, verbose=1)
    pd.testing.assert_frame_equal(one.findings, two.findings)
    assert "Checking posters" in capsys.readouterr().err


def test_without_imagehash_the_message_says_what_to_do(paths, y, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    message = re.escape(
        "check_posters, which looks for near duplicates unless max_distance=None, "
        "needs the package 'imagehash', which is not installed. Install it with: pip "
        "install 'sk-posters[check]'"
    )
    with pytest.raises(ImportError, match=message):
        check_posters(paths, y)
    assert len(check_posters(paths, y, max_distance=None).findings) == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"paths": []}, "paths must be a 1-D array-like .* got none"),
        ({"paths": "a.jpg"}, "paths must be a 1-D .* single path 'a.jpg'"),
        ({"paths": [None] * N}, "paths must hold paths .* None in row 0"),
        ({"y": [[1, 0]]}, "y must have one row for each of the 12 paths: got 1"),
        ({"y": [1] * N}, "y must be a 0/1 matrix .* For one label, give a matrix"),
        ({"y": [[1, 0.5]] * N}, "y must hold 0 and 1 only: got 0.5 in row 0"),
        ({"y": [[1, 2]] * N}, "y must hold 0 and 1 only: got 2 in row 0, column 1"),
        (
            {"y": pd.DataFrame([[1, 0]] * N, columns=["Drama", "Drama"])},
            "columns of y must differ, .* more than once: 'Drama'. Rename or drop",
        ),
        (
            {"groups": [1, 2]},
            "group for each of the 12 rows: got shape",
        ),
        ({"groups": [[1]] * N}, r"groups must be a 1-D .* got shape \(12, 1\)"),
        (
            {"groups": [None, *range(1, N)]},
            r"groups must not hold missing values: got None in row 0 \(1 in all\)",
        ),
        ({"genre_text": ["[]"]}, "genre_text must have one row for each .* got 1"),
        (
            {"scores": [[0.5, 0.5]]},
            r"scores must have the shape of y, .* got \(1, 2\) and \(12, 2\)",
        ),
        ({"scores": [[0.5, 1.5]] * N}, "scores must hold probabilities, .* got 1.5"),
        (
            {"scores": [[0.5, np.nan]] * N},
            "scores must hold probabilities, .* got nan in row 0",
        ),
        (
            {"scores": pd.DataFrame([[0.5, 0.5]] * N, columns=["Drama", "Comedy"])},
            "columns of y and scores must be the same labels in the same order",
        ),
        ({"splits": 5}, r"splits must be a cross-validator, .* got 5. Write"),
        ({"splits": []}, "splits must be a cross-validator, .* one at least: got none"),
        ({"splits": [range(6), range(6)]}, "split 0 has 6 parts. Write"),
        ({"splits": [([0], [12])]}, r"from 0 to 11: split 0 has \[12\]. Give the pos"),
        ({"splits": [([-1], [1])]}, r"from 0 to 11: split 0 has \[-1\]"),
        ({"splits": [([0.5], [1])]}, r"split 0 has \[0.5\]"),
        ({"splits": [([True], [1])]}, r"split 0 has \[True\]"),
        ({"max_distance": 13}, r"'max_distance' .* in the range \[0, 12\]"),
        ({"min_side": 0}, "'min_side' parameter"),
        ({"n_splits": 1}, "'n_splits' parameter"),
    ],
)
def test_bad_input_is_refused(parameters, message, paths, y):
    with pytest.raises(ValueError, match=message):
        check_posters(**{"paths": paths, "y": y, **parameters})


@pytest.mark.parametrize("max_distance", [0, 1, 4, 12])
def test_near_pairs_are_those_of_comparing_all_with_all(max_distance):
    random = np.random.default_rng(0)
    codes = random.integers(0, 2**64, 150, dtype=np.uint64)
    flips = np.zeros((150, 64), dtype=bool)
    for row in range(150):
        flips[row, random.choice(64, row // 10, replace=False)] = True
    masks = np.packbits(flips, axis=1).view(np.uint64).ravel()
    codes = np.unique(np.concatenate([codes, codes ^ masks]))
    pairs, distances = _near.near_pairs(codes, max_distance)
    matrix = np.bitwise_count(codes[:, None] ^ codes).astype(int)
    first, second = np.nonzero(np.triu(matrix <= max_distance, k=1))
    assert pairs.tolist() == np.column_stack([first, second]).tolist()
    assert distances.tolist() == matrix[first, second].tolist()
    assert max_distance == 0 or len(pairs) >= 9


def test_sets_hold_two_rows_or_more_in_the_order_of_their_first():
    sets = _rows.sets_of(np.array([5, 2, 9, 2, 5, 5]))
    assert [rows.tolist() for rows in sets] == [[0, 4, 5], [1, 3]]


def test_the_repeated_ids_of_real_posters_are_found(real_posters):
    posters = load_poster_table(real_posters / "train.csv")
    doubled = pd.Series(posters.groups).duplicated(keep=False).to_numpy()
    rows = np.flatnonzero(doubled)
    check = check_posters(
        posters.data[rows],
        posters.target.iloc[rows],
        posters.groups[rows],
        genre_text=posters.frame["Genre"].iloc[rows],
        splits=KFold(2),
    )
    repeated = found(check, "repeated id")
    assert len(repeated) == len(set(posters.groups[rows])) == 11
    assert {row for rows, _ in repeated for row in rows} == set(range(len(rows)))
    assert found(check, "exact duplicates") == []
    assert found(check, "unreadable file") == []
    folds = MultilabelStratifiedGroupKFold(2)
    for train, test in folds.split(
        rows, posters.target[["Drama"]].iloc[rows], check.groups
    ):
        assert not set(check.groups[train]) & set(check.groups[test])


def test_unknown_labels_are_counted_and_are_no_fault(paths, y):
    y = y.astype(float)
    y.iloc[[2, 5], 1] = np.nan
    check = check_posters(paths, y, n_splits=3)
    assert check.findings["kind"].tolist() == ["unknown label"]
    assert check.findings["severity"].tolist() == ["note"]
    assert found(check, "unknown label") == [((2, 5), ("Drama",))]
    assert detail(check, "unknown label") == "'Drama' is not known in 2 of 12 rows"
    line = "2 of 24 (sample, label) pairs are not known, and left out"
    assert line in check.about


def test_rare_and_constant_labels_are_those_of_known_rows(paths, y):
    y = y.astype(float)
    y.iloc[1::2, 0] = np.nan
    y.iloc[3:, 1] = np.nan
    check = check_posters(paths, y.assign(News=np.nan), n_splits=2)
    assert found(check, "constant label") == [((), ("Comedy",)), ((), ("News",))]
    details = check.findings.set_index("kind").loc["constant label", "detail"]
    assert details.tolist() == [
        "'Comedy' is 0 in all 6 rows that know it",
        "'News' is not known in 12 of 12 rows",
    ]
    assert found(check, "rare label") == [((1,), ("Drama",))]


def test_unknown_labels_neither_disagree_nor_contradict(paths, y):
    y = y.astype(float)
    y.iloc[0] = [np.nan, 1]
    y.iloc[1] = [1, np.nan]
    same = [paths[0], *paths[:11]]
    text = [["Comedy", "Drama"] if i < 2 else None for i in range(N)]
    for row in range(2, N):
        text[row] = [name for name in y if y.loc[row, name] == 1]
    check = check_posters(same, y, genre_text=text, n_splits=2)
    assert found(check, "other labels") == []
    assert found(check, "contradicting text") == []
    text[1] = ["Drama"]
    check = check_posters(same, y, genre_text=text, n_splits=2)
    assert found(check, "contradicting text") == [((1,), ("Comedy",))]
    y.iloc[0] = [0, np.nan]
    check = check_posters(same, y, n_splits=2)
    assert found(check, "other labels") == [((0, 1), ("Comedy",))]


def test_unknown_labels_are_not_suspicious():
    labels = np.array([[1.0], [0.0], [np.nan], [1.0], [0.0]])
    scores = np.array([[0.1], [0.2], [0.9], [0.8], [0.1]])
    pairs = _label_findings.find_suspicious_pairs(labels, scores)
    assert pairs.tolist() == [[0, 0]]
