"""Heat maps are drawn beside their posters, each label with its name and score."""

import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from sk_posters import PosterClassifier, PosterEncoder
from sk_posters.exceptions import PosterFileError
from sk_posters.inspection import grad_cam
from sk_posters.plotting import GradCAMDisplay

plt = pytest.importorskip("matplotlib.pyplot")

IMAGES = np.random.default_rng(0).random((3, 12, 8, 3))
MAPS = np.random.default_rng(1).random((3, 2, 6, 4))
MAPS[1, 0] = 0
SCORES = np.array([[0.25, 0.75], [0.5, 0.125], [0.0, 1.0]])


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


def draw(images=IMAGES, maps=MAPS, **options):
    return GradCAMDisplay.from_predictions(images, maps, **options)


def heat_of(ax):
    """Return what the last picture on some axes shows."""
    return np.asarray(ax.get_images()[-1].get_array())


def test_a_row_holds_the_poster_and_then_its_maps():
    display = draw(label_names=["Drama", "Comedy"], y_score=SCORES)
    assert display.axes_.shape == (3, 3)
    assert display.figure_ is display.axes_[0, 0].figure
    assert display.texts_ == [
        ["Drama 0.25", "Comedy 0.75"],
        ["Drama 0.50 (nothing contributes)", "Comedy 0.12"],
        ["Drama 0.00", "Comedy 1.00"],
    ]
    for row in range(3):
        shown = np.rint(255 * IMAGES[row]).astype(np.uint8)
        np.testing.assert_array_equal(heat_of(display.axes_[row, 0]), shown)
        for column in range(2):
            heat = heat_of(display.axes_[row, 1 + column])
            np.testing.assert_array_equal(heat, MAPS[row, column])


def test_saliency_is_stretched_over_the_poster_which_shows_through():
    display = draw()
    grey, heat = display.axes_[0, 1].get_images()
    assert grey.get_extent() == heat.get_extent()
    assert grey.get_cmap().name == "gray"
    assert heat.get_cmap().name == "inferno"
    assert (heat.get_alpha()[MAPS[0, 0] < 1e-3] < 0.05).all()
    assert heat.get_clim() == (0, 1)


def test_only_the_labels_with_the_highest_scores_are_shown():
    display = draw(label_names=["Drama", "Comedy"], y_score=SCORES, k=1)
    assert [len(row) for row in display.texts_] == [1, 1, 1]
    assert display.texts_[0] == ["Comedy 0.75"]
    assert display.texts_[1] == ["Drama 0.50 (nothing contributes)"]
    np.testing.assert_array_equal(heat_of(display.axes_[0, 1]), MAPS[0, 1])


def test_labels_without_names_are_counted():
    assert draw().texts_[0] == ["label 0", "label 1"]
    assert GradCAMDisplay([None] * 3, MAPS).plot().texts_[2] == ["label 0", "label 1"]


def test_names_of_scores_are_taken():
    scores = pd.DataFrame(SCORES, columns=["Drama", "Comedy"])
    assert draw(y_score=scores).texts_[0] == ["Drama 0.25", "Comedy 0.75"]


def test_names_are_drawn_unchanged(recwarn):
    display = draw(label_names=["$x^", "_<b>"])
    display.figure_.canvas.draw()
    texts = [text.get_text() for text in display.figure_.texts]
    assert {"$x^", "_<b>"} <= set(texts)
    assert not list(recwarn)


def test_a_long_name_goes_on_in_the_next_line_and_nothing_overlaps():
    display = draw(label_names=["A name much too long for one line of it", "B"])
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.figure_.texts]
    boxes += [ax.get_window_extent() for ax in display.axes_.ravel()]
    figure = display.figure_.bbox
    for number, box in enumerate(boxes):
        assert box.x0 >= figure.x0
        assert box.x1 <= figure.x1
        assert box.y0 >= figure.y0
        assert box.y1 <= figure.y1
        for other in boxes[:number]:
            apart = (
                min(box.x1, other.x1) - max(box.x0, other.x0) < 1
                or min(box.y1, other.y1) - max(box.y0, other.y0) < 1
            )
            assert apart


def test_only_the_first_posters_are_drawn():
    assert draw(max_posters=2).axes_.shape == (2, 3)
    assert draw(max_posters=1, y_score=SCORES, k=1).texts_ == [["label 1 0.75"]]


def test_the_figure_can_be_saved(tmp_path):
    path = tmp_path / "maps.png"
    draw().figure_.savefig(path)
    with Image.open(path) as image:
        assert min(image.size) > 300


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"images": IMAGES[:2]},
            r"maps for each poster: got 2 posters and .*\(3, 2, 6",
        ),
        ({"maps": MAPS[0]}, r"maps must have the shape .* got shape \(2, 6, 4\)"),
        ({"maps": MAPS * 2}, "values from 0 to 1"),
        ({"maps": MAPS * np.nan}, "values from 0 to 1"),
        ({"label_names": ["Drama"]}, "name for each of the 2 labels: got 1"),
        ({"y_score": SCORES[:2]}, r"of shape \(3, 2\): got \(2, 2\)"),
        ({"k": 1}, "k=1 chooses labels by their scores: give y_score"),
        ({"k": 0, "y_score": SCORES}, "'k' parameter"),
        ({"max_posters": 0}, "'max_posters' parameter"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        draw(**options)


# -- From estimators


@pytest.fixture
def encoder(save_onnx):
    return PosterEncoder(save_onnx(), image_size=(12, 8))


@pytest.fixture
def pipe(encoder, images, labels):
    linear = OneVsRestClassifier(LogisticRegression(C=1e-4))
    encoder.set_params(image_size=images.shape[1:3])
    return make_pipeline(encoder, linear).fit(images, labels)


@pytest.fixture
def paths(tmp_path):
    paths = []
    for number, pixels in enumerate(IMAGES):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(paths[-1])
    return paths


@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_the_most_probable_labels_of_each_poster_are_explained(form, pipe, paths):
    names = ["Bright", "Dark left", "Fifth"]
    display = GradCAMDisplay.from_estimator(pipe, form(paths), label_names=names, k=2)
    scores = pipe.predict_proba(paths)
    best = np.argsort(-scores, axis=1)[:, :2]
    for row, path in enumerate(paths):
        (maps,) = grad_cam(pipe, [path], labels=best[row])
        for shown, label in enumerate(best[row]):
            text = display.texts_[row][shown]
            assert text.startswith(f"{names[label]} {scores[row, label]:.2f}")
            heat = heat_of(display.axes_[row, 1 + shown])
            np.testing.assert_array_equal(heat, maps[shown])


def test_labels_asked_for_are_explained_in_their_order(pipe, images):
    display = GradCAMDisplay.from_estimator(pipe, images, labels=[2, 0], max_posters=2)
    assert display.axes_.shape == (2, 3)
    scores = pipe.predict_proba(images[:1])[0]
    starts = [f"label 2 {scores[2]:.2f}", f"label 0 {scores[0]:.2f}"]
    for text, start in zip(display.texts_[0], starts, strict=True):
        assert text.startswith(start)
    names = ["Bright", "Dark left", "Fifth"]
    display = GradCAMDisplay.from_estimator(
        pipe, images, labels="Fifth", label_names=names
    )
    assert display.axes_.shape == (4, 2)
    assert display.texts_[0][0].startswith("Fifth")


def test_a_network_names_its_labels(images, labels, tiny):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    display = GradCAMDisplay.from_estimator(classifier, images, max_posters=1)
    shown = {text.rpartition(" 0.")[0] for text in display.texts_[0]}
    assert shown == {"Bright", "Dark left", "Fifth"}


def test_a_classifier_without_probabilities_is_drawn_from_its_maps(
    encoder, images, labels
):
    linear = OneVsRestClassifier(RidgeClassifier(alpha=1e6))
    pipe = make_pipeline(encoder, linear).fit(images, labels)
    with pytest.raises(
        ValueError, match="needs an estimator with predict_proba, and P"
    ):
        GradCAMDisplay.from_estimator(pipe, images)
    maps = grad_cam(pipe, images, labels=[1])
    assert draw(images, maps).axes_.shape == (4, 2)


def test_names_and_labels_must_be_as_many(pipe, images):
    with pytest.raises(ValueError, match="name for each of the 3 labels: got 2"):
        GradCAMDisplay.from_estimator(pipe, images, label_names=["a", "b"])


def test_a_file_that_the_estimator_let_pass_leaves_a_gap_that_says_so(
    pipe, paths, tmp_path
):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    with pytest.raises(PosterFileError, match="bad"):
        GradCAMDisplay.from_estimator(pipe, [str(bad)])
    pipe.set_params(posterencoder__on_error="blank")
    with pytest.warns(UserWarning, match="black image"):
        display = GradCAMDisplay.from_estimator(pipe, [paths[0], str(bad)])
    for ax in display.axes_[1]:
        assert [text.get_text() for text in ax.texts] == ["file cannot be read"]


def test_without_matplotlib_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"GradCAMDisplay needs the package"):
        draw()
