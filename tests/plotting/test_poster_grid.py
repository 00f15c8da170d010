"""Posters with genres: what is drawn, that it can be read, and what is refused."""

import itertools
import re
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sk_posters.exceptions import PosterFileError
from sk_posters.plotting import PosterGridDisplay, TrainingHistoryDisplay

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NAMES = ["Drama", "Comedy", "News"]
SCORES = np.array([[0.9, 0.2, 0.5], [0.1, 0.7, 0.3]])
TRUTH = np.array([[1, 0, 1], [0, 0, 1]])


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


@pytest.fixture
def paths(tmp_path):
    """Two files: a tall red poster, and a wide blue one."""
    paths = [tmp_path / "tall.png", tmp_path / "wide.png"]
    Image.new("RGB", (30, 60), "red").save(paths[0])
    Image.new("RGB", (80, 40), "blue").save(paths[1])
    return paths


class FakeClassifier(BaseEstimator):
    """Scores each row it gets, and remembers the rows."""

    def __init__(self, scores=SCORES, **learned):
        self.scores = scores
        self.__dict__ |= learned

    def fit(self, X, y=None):
        raise AssertionError("A display fits nothing.")

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        self.rows = X
        return self.scores


def texts_of(display):
    return [[text.get_text() for text in texts] for texts in display.texts_]


def draw(images=2, scores=SCORES, **parameters):
    return PosterGridDisplay.from_predictions(
        np.zeros((images, 6, 4, 3)), scores, **parameters
    )


# What is written


def test_the_most_probable_genres_come_with_scores_best_first():
    display = draw(label_names=NAMES, k=2)
    assert texts_of(display) == [
        ["Drama", "0.90", "News", "0.50"],
        ["Comedy", "0.70", "News", "0.30"],
    ]


def test_right_genres_have_a_check_mark_and_the_true_ones_follow():
    display = draw(label_names=NAMES, y_true=TRUTH, k=2)
    assert texts_of(display) == [
        ["✓", "Drama", "0.90", "✓", "News", "0.50", "True: Drama, News"],
        ["Comedy", "0.70", "✓", "News", "0.30", "True: News"],
    ]


def test_right_genres_are_bold():
    first, *_ = draw(label_names=NAMES, y_true=TRUTH, k=3).texts_
    weights = {text.get_text(): text.get_weight() for text in first}
    assert (weights["Drama"], weights["Comedy"]) == ("bold", "normal")


def test_a_poster_without_true_genres_says_so():
    display = draw(label_names=NAMES, y_true=np.zeros_like(TRUTH))
    assert texts_of(display)[0][-1] == "True: none"


def test_the_title_explains_the_marks_only_where_there_are_some():
    titles = []
    for y_true in (None, TRUTH):
        display = draw(y_true=y_true)
        texts = {text for texts in display.texts_ for text in texts}
        title = [text for text in display.figure_.texts if text not in texts]
        titles.append(" ".join(text.get_text() for text in title))
    assert titles[0] == "Most probable genres of each poster, with scores."
    assert titles[1] == f"{titles[0]} Bold with a check mark: among the true genres."


def test_more_genres_than_there_are_shows_them_all():
    assert len(texts_of(draw(k=9))[0]) == 2 * 3


def test_labels_without_names_are_counted():
    assert texts_of(draw(k=1))[0] == ["label 0", "0.90"]


def test_a_display_made_by_hand_counts_labels_too():
    images = [np.zeros((6, 4, 3), dtype=np.uint8)] * 2
    display = PosterGridDisplay(images, SCORES).plot(k=1)
    assert texts_of(display)[1] == ["label 1", "0.70"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"scores": pd.DataFrame(SCORES, columns=NAMES)},
        {"y_true": pd.DataFrame(TRUTH, columns=NAMES)},
        {"label_names": np.array(NAMES, dtype=object)},
    ],
    ids=["scores", "truth", "label_names"],
)
def test_names_come_from_wherever_there_are_some(parameters):
    assert "Drama" in texts_of(draw(k=1, **parameters))[0]


def test_names_are_drawn_unchanged(recwarn):
    display = draw(label_names=["$x$", r"$\no_formula", "C$"])
    texts = display.texts_[0]
    assert [text.get_text() for text in texts[::2]] == ["$x$", "C$", r"$\no_formula"]
    assert not any(text.get_parse_math() for text in texts)
    display.figure_.canvas.draw()
    assert not recwarn


def test_a_long_name_goes_on_in_the_next_line():
    name = "Science Fiction and Fantasy Adventure for Children"
    first, *_ = texts_of(draw(label_names=[name, "B", "C"], k=1))
    assert len(first) > 2
    assert " ".join([first[0], *first[2:]]) == name
    assert first[1] == "0.90"


def test_a_word_too_long_for_a_line_is_cut():
    first, *_ = texts_of(draw(label_names=["x" * 99, "B", "C"], k=1))
    assert re.fullmatch("x{10,98}…", first[0])


# That it can be read


def overlap(first, second):
    """Whether two boxes overlap by more than a pixel."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return min(width, height) > 1


@pytest.mark.parametrize("n_columns", [1, 3, 4])
def test_nothing_overlaps_and_all_lies_on_the_figure(n_columns):
    names = ["Drama", "$x$ and $y$", "Science Fiction and Fantasy", "W" * 60]
    names += ["Reality-TV about Cooking, Gardening and Cars", "N/A"]
    rng = np.random.default_rng(0)
    display = draw(
        images=7,
        scores=rng.random((7, 6)),
        y_true=rng.integers(0, 2, (7, 6)),
        label_names=names,
        k=4,
        n_columns=n_columns,
    )
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.figure_.texts]
    boxes += [ax.get_window_extent() for ax in display.axes_]
    assert not any(overlap(*pair) for pair in itertools.combinations(boxes, 2))
    canvas = display.figure_.bbox
    assert all(canvas.x0 <= box.x0 and box.x1 <= canvas.x1 for box in boxes)
    assert all(canvas.y0 <= box.y0 and box.y1 <= canvas.y1 for box in boxes)


def test_posters_are_in_rows_of_n_columns():
    display = draw(images=5, scores=np.ones((5, 2)), n_columns=3)
    places = [ax.get_position() for ax in display.axes_]
    assert places[0].y0 == places[2].y0 > places[3].y0
    assert places[0].x0 == places[3].x0 < places[1].x0 < places[2].x0


def test_a_single_poster_makes_a_narrow_figure():
    display = draw(images=1, scores=SCORES[:1])
    assert display.figure_.get_figwidth() < draw().figure_.get_figwidth()


def test_the_figure_can_be_saved(tmp_path):
    draw().figure_.savefig(tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").width > 100


# The posters


def test_files_are_shown_in_their_own_proportions(paths):
    display = PosterGridDisplay.from_predictions(paths, SCORES)
    assert [image.shape for image in display.images] == [(60, 30, 3), (40, 80, 3)]
    assert display.images[0][0, 0].tolist() == [255, 0, 0]


def test_large_files_are_made_smaller(tmp_path):
    Image.new("L", (3000, 1500), 9).save(tmp_path / "large.png")
    display = PosterGridDisplay.from_predictions([tmp_path / "large.png"], SCORES[:1])
    assert display.images[0].shape == (300, 600, 3)


def test_files_that_were_turned_are_shown_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40)).save(tmp_path / "turned.jpg", exif=exif)
    display = PosterGridDisplay.from_predictions([tmp_path / "turned.jpg"], SCORES[:1])
    assert display.images[0].shape == (80, 40, 3)


@pytest.mark.parametrize(
    "form",
    [
        lambda paths: [str(path) for path in paths],
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: pd.Series(paths, index=[5, 0]),
        lambda paths: pd.DataFrame({"path": paths}),
    ],
    ids=["list", "array", "series", "frame"],
)
def test_paths_may_come_in_any_form(form, paths):
    display = PosterGridDisplay.from_predictions(form(paths), SCORES)
    assert [image.shape for image in display.images] == [(60, 30, 3), (40, 80, 3)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_shown_from_bytes_and_from_floats(dtype):
    images = np.full((2, 6, 4, 3), 255 if dtype is np.uint8 else 1, dtype=dtype)
    display = PosterGridDisplay.from_predictions(images, SCORES)
    shown = display.axes_[0].get_images()[0].get_array()
    assert shown.dtype == np.uint8
    assert np.unique(shown).tolist() == [255]


def test_grey_images_are_shown_grey():
    display = PosterGridDisplay.from_predictions(np.full((2, 6, 4, 1), 0.5), SCORES)
    assert display.images[0].shape == (6, 4, 3)
    assert np.unique(display.images[0]).tolist() == [128]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.full((2, 6, 4, 3), 7.5), r"\(6, 4, 3\), dtype float64, holding \[7\.5"),
        (np.full((2, 6, 4, 3), np.nan), r"holding \[nan"),
        (np.zeros((2, 6, 4, 3), dtype=int), "dtype int64"),
        (np.zeros((2, 6, 4, 2)), r"shape \(6, 4, 2\)"),
        (np.zeros((2, 6)), r"shape \(6,\)"),
        (np.zeros((2, 0, 4, 3)), r"shape \(0, 4, 3\)"),
    ],
    ids=["range", "nan", "dtype", "channels", "rows", "empty"],
)
def test_images_that_cannot_be_shown_are_refused(images, said):
    with pytest.raises(ValueError, match=f"uint8 or floats from 0 to 1: got .*{said}"):
        PosterGridDisplay.from_predictions(images, SCORES)


def test_a_file_that_cannot_be_read_is_named(tmp_path, paths):
    paths[1].write_bytes(b"no image")
    with pytest.raises(PosterFileError, match=r"wide\.png'.*not an image"):
        PosterGridDisplay.from_predictions(paths, SCORES)


def test_only_the_first_posters_are_drawn(paths):
    display = PosterGridDisplay.from_predictions(
        [paths[0], "nowhere.png"], SCORES, y_true=TRUTH, max_posters=1
    )
    assert len(display.axes_) == len(display.y_score) == len(display.y_true) == 1


# What does not fit


def test_posters_and_scores_must_be_as_many():
    message = "a row of y_score for each poster: got 3 posters and 2 rows"
    with pytest.raises(ValueError, match=message):
        draw(images=3)


def test_names_and_labels_must_be_as_many():
    message = "name for each column of y_score: got 2 names and 3 columns"
    with pytest.raises(ValueError, match=message):
        draw(label_names=["Drama", "Comedy"])


def test_names_must_not_contradict_the_columns():
    message = "columns of label_names and the labels must be the same"
    with pytest.raises(ValueError, match=message):
        draw(label_names=NAMES[::-1], y_true=pd.DataFrame(TRUTH, columns=NAMES))


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="nan or infinity: got nan in row 0, column 1"):
        draw(scores=np.where(SCORES == 0.2, np.nan, SCORES))


def test_true_labels_other_than_0_and_1_are_refused():
    with pytest.raises(ValueError, match="y_true must hold 0 and 1 only: got 2"):
        draw(y_true=2 * TRUTH)


@pytest.mark.parametrize("parameter", ["k", "n_columns", "max_posters"])
@pytest.mark.parametrize("value", [0, 1.5])
def test_counts_must_be_whole_and_at_least_one(parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        draw(**{parameter: value})


# From an estimator


def test_an_estimator_predicts_the_posters_and_names_the_genres(paths):
    classifier = FakeClassifier(label_names_=np.array(NAMES, dtype=object))
    display = PosterGridDisplay.from_estimator(
        Pipeline([("cnn", classifier)]), paths, TRUTH, k=1
    )
    assert texts_of(display) == [
        ["✓", "Drama", "0.90", "True: Drama, News"],
        ["Comedy", "0.70", "True: News"],
    ]


def test_an_estimator_is_asked_about_the_posters_drawn_only(paths):
    classifier = FakeClassifier(SCORES[:1])
    PosterGridDisplay.from_estimator(classifier, paths, TRUTH, max_posters=1)
    assert classifier.rows == paths[:1]


@pytest.mark.parametrize("form", [np.ndarray.tolist, csr_matrix, coo_matrix])
def test_true_labels_may_come_in_any_form(form, paths):
    display = PosterGridDisplay.from_estimator(FakeClassifier(), paths, form(TRUTH))
    assert display.y_true.tolist() == TRUTH.tolist()


def test_names_come_from_the_true_labels_if_the_estimator_has_none(paths):
    display = PosterGridDisplay.from_estimator(
        FakeClassifier(), paths, pd.DataFrame(TRUTH, columns=NAMES)
    )
    assert display.label_names == NAMES


def test_names_that_are_positions_give_way_to_those_of_the_true_labels(paths):
    display = PosterGridDisplay.from_estimator(
        FakeClassifier(label_names_=np.arange(3).astype(object)),
        paths,
        pd.DataFrame(TRUTH, columns=NAMES),
    )
    assert display.label_names == NAMES


def test_labels_in_another_order_than_in_fit_are_refused(paths):
    y = pd.DataFrame(TRUTH, columns=NAMES)[NAMES[::-1]]
    classifier = FakeClassifier(label_names_=np.array(NAMES, dtype=object))
    with pytest.raises(ValueError, match="the same labels in the same order"):
        PosterGridDisplay.from_estimator(classifier, paths, y)


def test_a_label_that_was_never_there_in_fit_gets_no_score_of_one(paths):
    # scikit-learn's multi-output classifiers give such a label one column, of ones.
    scores = [np.array([[0.2, 0.8], [0.6, 0.4]]), np.ones((2, 1))]
    classifier = FakeClassifier(scores, classes_=[np.array([0, 1]), np.array([0])])
    display = PosterGridDisplay.from_estimator(classifier, paths)
    assert display.y_score.tolist() == [[0.8, 0], [0.4, 0]]


def test_a_file_that_the_estimator_let_pass_leaves_a_gap_that_says_so(paths):
    paths[0].unlink()
    display = PosterGridDisplay.from_estimator(FakeClassifier(), paths)
    assert display.images[0] is None
    assert display.axes_[0].texts[0].get_text() == "file cannot be read"


def test_rows_and_true_labels_must_be_as_many(paths):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PosterGridDisplay.from_estimator(FakeClassifier(), paths, TRUTH[:1])


# Without Matplotlib, for both displays


@pytest.mark.parametrize(
    "display",
    [
        TrainingHistoryDisplay({"loss": [0.5]}),
        PosterGridDisplay([np.zeros((6, 4, 3), np.uint8)], SCORES[:1]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_without_matplotlib_the_message_says_how_to_install_it(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = (
        f"{type(display).__name__} needs the package 'matplotlib'.*sk-posters.plot"
    )
    with pytest.raises(ImportError, match=message):
        display.plot()
