"""Draw the picture at the head of README and site: ``docs/_static/landing.png``.

``python docs/landing_picture.py`` trains the recipe "frozen" on drawn posters, and
shows its predictions for test posters, and how good they are by genre.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from sk_posters import make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import multilabel_train_test_split

FILE = Path(__file__).parent / "_static" / "landing.png"
N_POSTERS = 4
BLUE, PALE, GREY = "#0072B2", "#b7d3e8", "0.45"


def train():
    posters = make_posters(800, n_labels=10, image_size=(222, 150), random_state=0)
    X_train, X_test, y_train, y_test = multilabel_train_test_split(
        posters.data, posters.target, stratify=posters.target, random_state=0
    )
    pipe = make_poster_pipeline("frozen", image_size=(160, 112), C=0.01)
    pipe.fit(X_train, y_train)
    return X_test, y_test, pipe.predict_proba(X_test)


def draw_poster(place, path, true, probabilities, names):
    image, bars = place.subgridspec(
        2, 1, height_ratios=[2.6, 1], hspace=0.06
    ).subplots()
    with Image.open(path) as poster:
        image.imshow(poster.resize((150, 222)))
    image.set_axis_off()
    best = np.argsort(-probabilities)[:3]
    colours = [BLUE if true[j] else PALE for j in best]
    bars.barh(range(3), probabilities[best], color=colours, height=0.8)
    for row, label in enumerate(best):
        inside = probabilities[label] > 0.5
        bars.text(
            0.03 if inside else probabilities[label] + 0.03,
            row,
            f"{names[label]}  {probabilities[label]:.2f}",
            color="white" if inside and true[label] else "0.15",
            va="center",
            fontsize=8.5,
            in_layout=False,
        )
    bars.set(xlim=(0, 1), ylim=(2.6, -0.6))
    bars.set_axis_off()


def draw_scores(ax, labels):
    labels = labels.sort_values("average precision")
    rows = np.arange(len(labels))
    ax.barh(rows, labels["average precision"], color=BLUE, height=0.7)
    ax.plot(labels["chance"], rows, "|", color="black", markersize=11, mew=2)
    ax.set_yticks(rows, labels.index)
    ax.tick_params(length=0)
    ax.set(xlim=(0, 1))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel("average precision (mark: chance)", color=GREY)


def main():
    X_test, y_test, probabilities = train()
    report = multilabel_report(y_test, probabilities, n_bootstrap=0)
    # The first posters that have two genres or three.
    chosen = np.flatnonzero(y_test.sum(axis=1) > 1)[:N_POSTERS]
    figure = plt.figure(figsize=(11, 4.3), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)
    left, right = figure.subfigures(1, 2, width_ratios=[2.1, 1])
    places = left.add_gridspec(1, N_POSTERS, wspace=0.12)
    for place, row in zip(places, chosen, strict=True):
        draw_poster(
            place,
            X_test[row],
            y_test.iloc[row].to_numpy(),
            probabilities[row],
            y_test.columns,
        )
    left.suptitle("Test posters and their predicted genres (dark: right)")
    draw_scores(right.subplots(), report.labels)
    right.suptitle("Average precision by genre")
    FILE.parent.mkdir(exist_ok=True)
    figure.savefig(FILE, dpi=100)
    # This many colours are enough, and take a third of the bytes.
    with Image.open(FILE) as picture:
        picture.convert("RGB").quantize(96).save(FILE, optimize=True)
    print(f"wrote {FILE}: {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
