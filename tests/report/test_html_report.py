"""The HTML report: complete, honest, readable, and nothing in it is run."""

import base64
import hashlib
import itertools
import os
import re
import sys
import types
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from several_encoders import make_several
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterImageLoader,
    make_poster_pipeline,
    save_html_report,
)
from sk_posters._base._unwrap import list_parts
from sk_posters._report import _context, _model
from sk_posters._report._posters import Predictions
from sk_posters.metrics import multilabel_report
from sk_posters.metrics._evaluation import SCORES

N_ROWS, NAMES = 8, ["Drama", "Comedy", "News"]
LABELS = np.array(
    [
        [1, 0, 0],
        [0, 1, 0],
        [1, 1, 0],
        [0, 0, 0],
        [1, 0, 1],
        [0, 1, 1],
        [1, 0, 0],
        [0, 1, 0],
    ]
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!-- & --> ]]> &lt;b&gt; {{7*7}}",
]
VOID = {"meta", "img"}
RAW = {"script", "style"}
DISTINCT = [name.replace("/", "|") for name in HOSTILE]  # No file has a slash.


class Fixed(ClassifierMixin, BaseEstimator):
    """A classifier that predicts fixed probabilities, whatever the images."""

    def __init__(self, scores, history=None):
        self.scores, self.history = scores, history
        if history is not None:
            self.history_ = history

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, X):
        return np.asarray(self.scores)[: len(X)]


def make_scores(labels=LABELS, seed=0):
    noise = np.random.default_rng(seed).random(labels.shape)
    return 0.8 * labels + 0.1 + 0.2 * (noise - 0.5)


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, file):
        super().__init__(convert_charrefs=True)
        self.content = Path(file).read_text(encoding="utf-8")
        self.elements, self.texts, self.open = [], [], []
        self.feed(self.content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.texts.append([])
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        if self.open and self.elements[self.open[-1]][0] not in RAW:
            data = re.sub(r"\s+", " ", data) if data.strip() else ""
        for number in self.open:
            self.texts[number].append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data!r}")

    @property
    def structure(self):
        """Elements with their attributes, whatever the names are."""
        return [(tag, sorted(attrs)) for tag, attrs in self.elements]

    def all(self, tag, **attributes):
        wanted = attributes.items()
        return [
            ("".join(text), attrs)
            for (name, attrs), text in zip(self.elements, self.texts, strict=True)
            if name == tag and all(attrs.get(key) == value for key, value in wanted)
        ]

    def text(self, tag="body", **attributes):
        return " ".join(text for text, _ in self.all(tag, **attributes))


@pytest.fixture
def paths(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (N_ROWS, 30, 20, 3), np.uint8)
    files = [tmp_path / f"poster{i}.png" for i in range(N_ROWS)]
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    return files


@pytest.fixture
def save(tmp_path, paths):
    """Function that saves a report and returns its page."""

    def save(model=None, X=None, y=None, **options):
        y = pd.DataFrame(LABELS, columns=NAMES) if y is None else y
        options = {"n_bootstrap": 20, "random_state": 0, **options}
        X = paths if X is None else X
        model = Fixed(make_scores(np.asarray(y))) if model is None else model
        return Page(save_html_report(tmp_path / "report.html", model, X, y, **options))

    return save


def many(n_rows=200):
    """Labels of many rows, without a poster."""
    random = np.random.default_rng(1)
    y = (random.random((n_rows, 2)) < [0.5, 0.3]).astype(int)
    return {
        "X": [f"none{i}.png" for i in range(n_rows)],
        "y": pd.DataFrame(y, columns=["Drama", "News"]),
        "n_posters": 0,
    }


def cells(page, kind):
    """The rows of a table, as lists of texts."""
    part = page.content.split(f'class="{kind}')[1].split("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", part.partition("<tbody>")[2], re.DOTALL)
    bare = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [
        [re.sub(r"\s*(<.*?>\s*)+", "|", cell).strip("|\n") for cell in row]
        for row in bare
    ]


# What is in it


def test_it_returns_the_file_and_replaces_one_that_is_there(tmp_path, paths):
    file = tmp_path / "report.html"
    file.write_text("old")
    saved = save_html_report(
        str(file), Fixed(make_scores()), paths, LABELS, n_bootstrap=5
    )
    assert saved == file
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n<html lang=")
    assert sorted(os.listdir(tmp_path)) == sorted([p.name for p in paths] + [file.name])


def test_the_sections_come_in_order(save):
    page = save(Fixed(make_scores(), {"loss": [0.5, 0.3]}))
    assert [text for text, _ in page.all("h2")] == [
        "Summary",
        "Cautions",
        "Scores, next to baselines",
        "Scores by label",
        "Calibration",
        "Training history",
        "Worst predictions",
        "Best predictions",
        "Model",
    ]


def test_headings_are_in_order_and_sections_are_named_by_them(save):
    page = save()
    assert [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)] == [
        "h1",
        *["h2"] * 8,
    ]
    headings = {attrs["id"] for _, attrs in page.all("h2")}
    assert headings == {attrs["aria-labelledby"] for _, attrs in page.all("section")}


def test_the_summary_describes_test_set_model_and_versions(save):
    text = save(title="Genres").text()
    assert "8 images, 3 labels, 1.2 labels per image" in text
    assert "Fixed" in text
    assert "probability 0.5 for each label" in text
    assert "95 % percentile intervals, 20 resamples of rows" in text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", text)
    assert re.search(r"sk-posters [\d.]+.*scikit-learn [\d.]+", text)


def test_the_title_is_that_of_the_page_and_its_heading(save):
    page = save(title="Genres & more")
    assert page.text("title") == page.text("h1") == "Genres & more"


def test_the_scores_are_those_of_the_report(save):
    scores = make_scores(seed=3)
    expected = multilabel_report(LABELS, scores, n_bootstrap=20, random_state=0).scores
    rows = cells(save(Fixed(scores)), "scores")
    assert [row[0].partition("|")[0] for row in rows] == expected.index.tolist()
    assert [row[1] for row in rows] == [f"{v:.3f}" for v in expected["value"]]
    baselines = expected[list(_context.BASELINES)]
    shown = [[float(cell) for cell in row[4:]] for row in rows]
    np.testing.assert_allclose(shown, baselines.round(3), atol=1e-9)


def test_each_score_is_explained():
    assert list(_context.MEANINGS) == list(SCORES)


@pytest.mark.parametrize(
    ("beats", "better", "value", "verdict"),
    [
        (True, "higher", 0.9, "yes"),
        (False, "higher", 0.6, "not clearly"),
        (False, "higher", 0.4, "no"),
        (False, "lower", 0.4, "not clearly"),
        (False, "lower", 0.6, "no"),
        (None, "lower", 0.1, "-"),
    ],
)
def test_whether_a_score_beats_the_baselines_is_one_word(beats, better, value, verdict):
    row = {"beats trivial": beats, "better": better, "value": value}
    assert _context._judge(row, best=0.5) == verdict


def test_the_verdict_counts_scores_that_are_clearly_better(save):
    page = save(Fixed(make_scores(many()["y"].to_numpy())), **many())
    n_yes = [row[3] for row in cells(page, "scores")].count("yes")
    assert f"{n_yes} of the 18 scores" in page.text("p", **{"class": "verdict"})
    assert n_yes > 10


def test_labels_are_ordered_by_their_number_of_images(save):
    rows = cells(save(), "labels")
    assert [row[0] for row in rows] == ["Drama", "Comedy", "News"]
    assert [row[1] for row in rows] == ["4 (50%)", "4 (50%)", "2 (25%)"]


def test_labels_near_chance_are_named_and_pale(save):
    given = many()
    scores = np.random.default_rng(5).random((200, 2))
    scores[:, 0] = make_scores(given["y"].to_numpy())[:, 0]
    page = save(Fixed(scores), **given)
    assert "Not clearly better than chance: News." in page.text()
    assert len(page.all("rect", **{"class": "fill unclear"})) == 1


def test_a_label_of_one_image_is_never_clear(save):
    given = many()
    given["y"].loc[:, "News"] = (np.arange(200) == 0).astype(int)
    page = save(Fixed(make_scores(given["y"].to_numpy())), **given)
    assert "Not clearly better than chance: News." in page.text()
    assert "There are only 200 rows" in page.text()


def test_tuned_thresholds_decide_which_labels_are_predicted(save, paths):
    values = dict(zip(map(str, paths), np.arange(8.0), strict=True))
    features = FunctionTransformer(lambda X: [[values[str(path)]] for path in X])
    y = pd.DataFrame({"Late": np.arange(8) > 3, "Early": np.arange(8) < 4}).astype(int)
    model = MultilabelTunedThresholdClassifierCV(
        Pipeline([("f", features), ("c", OneVsRestClassifier(LogisticRegression()))]),
        cv=2,
    ).fit(paths, y)
    page = save(model, y=y)
    low, high = sorted(model.best_thresholds_)
    assert f"tuned, from {low:.2f} to {high:.2f}" in page.text()
    assert {row[9] for row in cells(page, "labels")} == {f"{low:.3f}", f"{high:.3f}"}
    assert [row[0] for row in cells(page, "parts")] == [
        "FunctionTransformer|f",
        "OneVsRestClassifier|c",
        "MultilabelTunedThresholdClassifierCV",
    ]


def tuned(**learned):
    model = MultilabelTunedThresholdClassifierCV(Fixed(make_scores()))
    defaults = {
        "estimator_": Fixed(make_scores()),
        "best_thresholds_": np.array([0.3, 0.3]),
    }
    vars(model).update({**defaults, "calibration_": None, **learned})
    return model


def test_a_common_threshold_is_reported_once():
    assert _model.describe_thresholds(tuned())[1] == "tuned, 0.30 for each label"


def test_a_caution_tells_of_labels_below_their_threshold(save):
    model = tuned(best_thresholds_=np.full(3, 0.4), at_least_one=True)
    model.classes_ = [np.array([0, 1])] * 3
    page = save(model, label_names=NAMES)
    assert "without predicted labels" in page.text("section", id="care")


@pytest.mark.filterwarnings("ignore:1 file cannot be used as a poster")
def test_a_caution_names_files_that_are_scored_as_black_images(save, paths):
    loader = PosterImageLoader(image_size=(8, 8), on_error="blank")
    model = Pipeline([("images", loader), ("fixed", Fixed(make_scores()))])
    caution = "Scored as black images, since unreadable (1): poster3.png"
    assert caution not in save(model).text("section", id="care")
    paths[3].write_text("no image")
    assert caution in save(model).text("section", id="care")


def test_thresholds_of_a_decision_function_are_not_taken_for_probabilities():
    model = tuned(response_method="decision_function", best_thresholds_=np.zeros(2))
    thresholds, about, caution = _model.describe_thresholds(model)
    assert (thresholds, about) == (0.5, "probability 0.5 for each label")
    assert "to its decision function" in caution


def test_settings_that_differ_are_shown_without_folders():
    pipe = make_poster_pipeline(cache_dir="/home/someone/cache", C=0.5)
    parts = {name: _model.list_settings(part) for name, part in list_parts(pipe)}
    assert parts == {
        "encoder": {"pooling": "'auto'", "normalize": "True", "precision": "'auto'"},
        "novelty": {},
        "scaler": {"with_std": "False"},
        "classifier": {"estimator": "LogisticRegression(C=0.5, max_iter=1000)"},
    }


def test_parts_of_unions_and_searches_are_found():
    search = types.SimpleNamespace(best_estimator_=make_several())
    assert [name for name, _ in list_parts(search)] == [
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
        "encoders",
        "novelty",
        "scaler",
        "classifier",
    ]


def test_long_settings_are_cut_and_other_objects_have_none():
    assert len(_model.list_settings(Fixed(np.zeros((999, 9))))["scores"]) < 200
    assert _model.list_settings("passthrough") == {}


# Cautions


def test_nothing_is_warned_of_without_reason(save):
    given = many(300)
    page = save(Fixed(make_scores(given["y"].to_numpy())), **given)
    assert page.all("section", id="care") == []


def test_few_images_and_labels_of_few_images_are_warned_of(save):
    text = save().text("section", id="care")
    assert "There are only 8 rows: intervals may be too narrow." in text
    assert "Labels of fewer than 10 images, too few to judge: " in text


def test_constant_labels_are_warned_of_and_leave_scores_undefined(save):
    y = pd.DataFrame({"None": np.zeros(8, int), "Every": np.ones(8, int)})
    page = save(Fixed(np.full((8, 2), 0.5)), y=y)
    text = page.text("section", id="care")
    assert "Labels that no image has, which cannot be judged: None." in text
    assert "Labels that every image has, which cannot be judged: Every." in text
    assert "Undefined, for the reasons in the table: macro ROC-AUC." in text
    assert "undefined: all labels are constant" in page.text("table")
    assert "no image has it" in page.text("span", **{"class": "quiet"})


def test_a_report_without_intervals_calls_no_score_clearly_better(save):
    page = save(n_bootstrap=0)
    assert "no score is clearly better than the baselines" in page.text(
        "p", **{"class": "verdict"}
    )
    assert "There are no intervals" in page.text("section", id="care")
    assert page.all("line", **{"class": "interval"}) == []


# Pictures


def picture(attrs):
    kind, _, data = attrs["src"].partition(";base64,")
    assert kind in {"data:image/jpeg", "data:image/png"}
    return Image.open(BytesIO(base64.b64decode(data, validate=True)))


def test_every_picture_can_be_opened_and_is_described(save):
    page = save(Fixed(make_scores(), {"loss": [0.5, 0.3], "val_loss": [0.6, 0.4]}))
    images = [attrs for _, attrs in page.all("img")]
    assert len(images) == 2 + 4 + 4
    for attrs in images:
        assert min(picture(attrs).size) > 10
        assert len(attrs["alt"]) > 20
    drawn = [attrs for tag, attrs in page.elements if tag == "svg"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawn)


def test_a_poster_comes_with_what_was_predicted(save):
    scores = make_scores()
    scores[4] = [0.9, 0.7, 0.1]  # Comedy is wrong, and News missed.
    page = save(Fixed(scores), n_posters=1)
    worst = page.text("section", id="worst")
    alt = page.all("img")[1][1]["alt"]
    assert alt == "Poster poster4.png. Predicted: Drama, Comedy. True: Drama, News."
    assert re.search(r"✓Dramaright0\.90✗Comedywrong0\.70○Newsmissed0\.10", worst)
    assert "True: Drama, News" in worst


def test_best_and_worst_are_those_with_the_least_and_the_most_log_loss():
    labels = np.array([[1], [1], [1], [1], [0], [1]])
    scores = np.array([[0.9], [0.2], [0.7], [0.8], [0.01], [0.1]])
    found = Predictions(None, labels, scores, 0.5, ["Drama"])
    # The row without a label is the easiest, and says nothing.
    assert found.find_best_and_worst(2) == ([0, 3], [5, 1])
    assert found.find_best_and_worst(9) == ([0, 3], [5, 1, 2])
    assert found.find_best_and_worst(0) == ([], [])
    assert found.loss[0] == pytest.approx(-np.log(0.9))


def test_of_a_group_one_poster_is_shown():
    labels, scores = np.ones((4, 1), int), np.array([[0.9], [0.8], [0.2], [0.1]])
    found = Predictions(None, labels, scores, 0.5, ["Drama"])
    assert found.find_best_and_worst(2, ["a", "a", "b", "b"]) == ([0], [3])


def test_rows_without_any_label_can_be_the_best_where_there_are_no_others():
    found = Predictions(
        None, np.zeros((2, 1), int), np.array([[0.1], [0.3]]), 0.5, ["Drama"]
    )
    assert found.find_best_and_worst(1) == ([0], [1])


def test_a_single_row_is_shown_once(save, paths):
    page = save(Fixed(make_scores()), X=paths[:1], y=LABELS[:1])
    assert "poster0.png" in page.text("section", id="worst")
    assert page.all("section", id="best") == []


def test_images_are_shown_as_paths_are(save, paths):
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    page = save(X=images, n_posters=1)
    assert re.search(r"row \d", page.text("section", id="worst"))


def test_large_posters_are_made_small(save, tmp_path, paths):
    for path in paths:
        Image.new("RGB", (1000, 2000)).save(path)
    page = save(n_posters=1)
    assert picture(page.all("img")[-1][1]).size == (170, 340)


def test_a_file_that_cannot_be_read_leaves_a_gap(save, paths):
    for path in paths:
        path.write_bytes(b"no image")
    page = save(n_posters=2)
    assert page.text("section", id="worst").count("file cannot be read") == 2


def test_a_report_of_twelve_large_posters_stays_below_two_megabytes(
    tmp_path, monkeypatch
):
    # Noise is the worst that a thumbnail can hold.
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 444, 300, 3), np.uint8)
    y = np.tile(np.eye(3, dtype=int), (4, 1))
    maps = np.zeros((1, 1, 5, 5), np.float32)
    replace_grad_cam(monkeypatch, lambda *_, **__: maps)
    file = save_html_report(
        tmp_path / "r.html",
        Fixed(make_scores(y)),
        pixels,
        y,
        n_bootstrap=9,
        grad_cam=True,
    )
    assert len(Page(file).all("img")) == 1 + 2 * 12
    assert file.stat().st_size < 2_000_000


def test_without_jinja_the_error_says_how_to_install_it(save, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    message = r"The HTML report needs the package 'jinja2'.*'sk-posters\[plot\]'"
    with pytest.raises(ImportError, match=message):
        save(LogisticRegression())  # Before anything is computed.


def test_learning_curves_are_left_out_where_there_are_none(save):
    assert save(Fixed(make_scores(), {"loss": []})).all("section", id="history") == []


def test_without_matplotlib_the_rest_is_there(save, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = save(Fixed(make_scores(), {"loss": [1.0]}))
    for key in ("probabilities", "history"):
        assert "pip install 'sk-posters[plot]'" in page.text("section", id=key)
    assert len(page.all("img")) == 8


def replace_grad_cam(monkeypatch, grad_cam):
    """Replace the real function, which is slow."""
    monkeypatch.setattr("sk_posters._report._posters.grad_cam", grad_cam)


def test_saliency_maps_are_computed_for_the_most_probable_label(
    save, monkeypatch, paths
):
    asked, model = [], Fixed(make_scores())

    def grad_cam(estimator, X, *, labels=None):
        assert estimator is model
        asked.append((Path(X[0]).name, labels))
        saliency = np.zeros((len(X), len(labels), 60, 40), np.float32)
        saliency[:, :, :30] = 1
        return saliency

    replace_grad_cam(monkeypatch, grad_cam)
    page = save(model, n_posters=1, grad_cam=True)
    names = [name for name, _ in asked]
    rows = [[path.name for path in paths].index(name) for name in names]
    assert [labels for _, labels in asked] == [
        [make_scores()[row].argmax()] for row in rows
    ]
    images = [attrs for _, attrs in page.all("img")][1:]
    assert len(images) == 4
    shown = np.asarray(picture(images[1])).astype(int)
    assert shown.shape == (30, 20, 3)
    red, blue = shown[..., 0], shown[..., 2]
    assert (red - blue)[:12].min() > 60  # Bright yellow above,
    assert np.abs(red - blue)[18:].max() < 60  # grey below.
    most = NAMES[asked[1][1][0]]  # The worst comes first on the page.
    alt = f"The same in grey, with bright areas that contribute to {most}."
    assert images[1]["alt"] == alt


# Nothing in it is run


def test_nothing_is_loaded_from_elsewhere(save):
    page = save(Fixed(make_scores(), {"loss": [0.5, 0.3]}))
    outside = {
        "src",
        "href",
        "srcset",
        "action",
        "data",
        "xlink:href",
        "style",
        "poster",
    }
    for tag, attrs in page.elements:
        for key in outside & set(attrs):
            assert attrs[key].startswith(("data:image/", "#")), (tag, key)
        assert not [key for key in attrs if key.startswith("on")]
    assert "url(" not in page.text("style")
    assert "@import" not in page.text("style")
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in page.elements
    }


def test_the_policy_allows_its_own_style_and_script_only(save):
    page = save()
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][1]
    rules = dict(r.strip().split(" ", 1) for r in policy["content"].split(";"))
    for key, tag in (("script-src", "script"), ("style-src", "style")):
        (text, _), *more = page.all(tag)
        assert not more
        digest = hashlib.sha256(text.encode()).digest()
        assert rules.pop(key) == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules.pop("img-src") == "data:"
    assert set(rules.values()) == {"'none'"}
    assert "default-src" in rules


def test_the_policy_comes_before_all_that_it_rules(save):
    tags = [tag for tag, _ in save().elements]
    assert tags[:4] == ["html", "head", "meta", "meta"]


def renamed(paths, names):
    """The same files under hostile names, in turn."""
    names = itertools.cycle(names)
    files = [path.with_name(f"{i}{next(names)}.png") for i, path in enumerate(paths)]
    for path, file in zip(paths, files, strict=True):
        path.rename(file)
    return files


def test_hostile_names_change_nothing_but_text(save, paths, monkeypatch):
    replace_grad_cam(monkeypatch, lambda *_, **__: np.ones((1, 1, 4, 4), np.float32))
    y = LABELS * [1, 1, 0]  # So that a name comes up in warnings and notes, too.

    def saved(names, X, title):
        return save(X=X, y=y, label_names=names, title=title, grad_cam=True)

    harmless = saved(["a", "b", "c"], paths, "t")
    for start in (0, 3, 5):  # One for each label.
        names, in_files = HOSTILE[start : start + 3], DISTINCT[start : start + 3]
        paths = renamed(paths, in_files)
        page = saved(names, paths, names[-1])
        assert page.structure == harmless.structure, names
        assert page.text("script") == harmless.text("script")
        assert page.text("style") == harmless.text("style")
        for name in (*names, *in_files):
            assert "<" not in name or name not in page.content
        shown = [text for text, _ in page.all("bdi")]
        assert set(names) <= set(shown)
        assert f"0{in_files[0]}.png" in shown
        assert page.text("title") == names[-1]


def test_hostile_settings_and_class_names_are_text(save):
    model = Pipeline([(HOSTILE[0], FunctionTransformer()), ("c", Fixed(make_scores()))])
    model.steps[1][1].history = HOSTILE[1]
    Fixed.__name__ = HOSTILE[2]
    try:
        page = save(model)
    finally:
        Fixed.__name__ = "Fixed"
    shown = page.text("section", id="making")
    for name in HOSTILE[:3]:
        assert name not in page.content
        assert name in shown


def test_names_that_turn_text_around_are_kept_apart(save):
    names = ["\N{RIGHT-TO-LEFT OVERRIDE}one", "two", "three"]
    texts = [text for text, _ in save(y=LABELS, label_names=names).all("bdi")]
    assert names[0] in texts
    assert not [text for text in texts if names[0] in text and text != names[0]]


def test_names_that_are_no_text_are_written_too(save, paths):
    files = [os.fsdecode(os.fsencode(path)[:-4] + b"\xff.png") for path in paths]
    for path, file in zip(paths, files, strict=True):
        os.rename(path, file)
    assert "poster0?.png" in save(X=files).text()


@pytest.mark.parametrize("names", [None, [0, 1, 2]])
def test_labels_without_names_are_counted(save, names):
    page = save(y=LABELS, label_names=names)
    assert [row[0] for row in cells(page, "labels")] == [
        "label 0",
        "label 1",
        "label 2",
    ]


# Errors


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "missing/r.html",
            FileNotFoundError,
            r"there is no folder '.*missing'\. Make it first",
        ),
        (".", IsADirectoryError, r"is a folder: name a file in it"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_work(
    tmp_path, paths, name, error, message
):
    with pytest.raises(error, match=message):
        save_html_report(tmp_path / name, LogisticRegression(), paths, LABELS)


def test_an_estimator_that_is_not_fitted_is_refused(save):
    with pytest.raises(
        NotFittedError, match="LogisticRegression instance is not fitted"
    ):
        save(LogisticRegression())


def test_rows_are_needed(save):
    with pytest.raises(ValueError, match="X must hold at least one row: got none"):
        save(Fixed(make_scores()), X=[], y=LABELS[:0])


def test_rows_labels_and_groups_must_have_one_length(save):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        save(groups=[1, 2])


def test_probabilities_are_needed(save):
    ranker = OneVsRestClassifier(FunctionTransformer())
    ranker.estimators_ = []
    message = "save_html_report needs an estimator with predict_proba, and"
    with pytest.raises(ValueError, match=message):
        save(ranker)


def test_probabilities_lie_between_0_and_1(save):
    with pytest.raises(ValueError, match="y_score must hold probabilities"):
        save(Fixed(make_scores() * 9))


def test_names_must_not_contradict_each_other(save):
    with pytest.raises(ValueError, match="label_names must hold a name for each of"):
        save(label_names=["Drama"])


@pytest.mark.parametrize(
    "option",
    [{"n_posters": -1}, {"n_bootstrap": 1.5}, {"title": 7}, {"grad_cam": "yes"}],
)
def test_options_are_checked(save, option):
    with pytest.raises(ValueError, match=f"The '{next(iter(option))}' parameter of"):
        save(**option)


def test_a_report_is_written_whole_or_not_at_all(tmp_path, paths, monkeypatch):
    file = tmp_path / "report.html"
    file.write_text("old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_html_report(file, Fixed(make_scores()), paths, LABELS, n_bootstrap=5)
    assert file.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == sorted([p.name for p in paths] + [file.name])


def test_unknown_labels_are_counted_and_marked(save):
    labels = pd.DataFrame(LABELS, columns=NAMES, dtype=float)
    labels.iloc[0, 1], labels.iloc[3] = np.nan, np.nan
    page = save(Fixed(make_scores()), y=labels)
    assert "4 of 24 (image, label) pairs are not known: all scores leave" in page.text()
    assert "not known" in page.text("small")
    # Nothing is known of the fourth poster, so it is neither best nor worst.
    assert "poster3.png" not in page.text()


def test_a_report_of_nothing_known_is_refused(save):
    with pytest.raises(ValueError, match="it is nan everywhere, so that there is noth"):
        save(Fixed(make_scores()), y=np.full(LABELS.shape, np.nan))
