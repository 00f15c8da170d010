"""Which genres does a movie have, judged by its poster?

The main job from end to end: posters in, a network trained, scores on posters it has
not seen, next to those of baselines, the top genres of new posters, and two
pictures. Without options it draws synthetic posters; with ``--data FOLDER`` it takes
those of a folder that holds ``train.csv`` and ``Images/``.
"""

import argparse
import os
import time
from pathlib import Path

# TensorFlow greets with several lines about the processor; errors still come through.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib

matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.

from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline

from sk_posters import PosterClassifier, PosterImageLoader
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.metrics import scores_beside_trivial
from sk_posters.plotting import PosterGridDisplay, TrainingHistoryDisplay

# Real posters as in the tutorial. Drawn ones smaller, so that it takes a minute, with
# small batches and little dropout: a few hundred steps must do for batch normalisation.
REAL = {"image_size": 350, "epochs": 5, "batch_size": 32, "dropout": None}
DRAWN = {"image_size": 128, "epochs": 12, "batch_size": 16, "dropout": 0.1}


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description="Learn the genres of movies from their posters.",
        epilog=f"Defaults with --data: {REAL}; without: {DRAWN}.",
    )
    parser.add_argument(
        "--data", type=Path, help="folder with train.csv and Images/ (default: draw)"
    )
    parser.add_argument("--n-samples", type=int, default=1000, help="posters to draw")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--dropout", type=float, help="one rate for all layers")
    parser.add_argument("--image-size", type=int, help="height and width in pixels")
    parser.add_argument("--output", type=Path, default=Path("examples/output"))
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args(arguments)
    for name, default in (DRAWN if options.data is None else REAL).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    return options


def load(options):
    if options.data is not None:
        return load_poster_table(options.data / "train.csv")
    return make_posters(options.n_samples, random_state=options.random_state, verbose=1)


def split(posters, random_state):
    """Hold out 15 % of the movies: a repeated poster must not be on both sides."""
    splitter = GroupShuffleSplit(test_size=0.15, random_state=random_state)
    return next(splitter.split(posters.data, groups=posters.groups))


def build(options):
    side = options.image_size
    loader = PosterImageLoader(image_size=(side, side), verbose=1)
    classifier = PosterClassifier(
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_fraction=0.1,  # Watched, not trained on.
        dropout=options.dropout,
        random_state=options.random_state,
        verbose=1,
    )
    return Pipeline([("images", loader), ("cnn", classifier)])


def print_scores(y_test, y_score, y_train):
    print(
        f"\nScores on a test set of {len(y_test)} posters, next to those of baselines"
    )
    print("that never see a poster:\n")
    table = scores_beside_trivial(y_test, y_score, y_train=y_train)
    print(table.to_string(float_format="{:.3f}".format))


def print_top_genres(names, posters, y_test):
    print("\nTop 3 genres of new posters:\n")
    for path, top, (_, true) in zip(posters, names, y_test.iterrows(), strict=True):
        genres = ", ".join(true.index[true == 1])
        print(f"  {Path(path).name}: {', '.join(top)}   (true: {genres})")


def main(arguments=None):
    options = parsed(arguments)
    started = time.perf_counter()
    posters = load(options)
    train, test = split(posters, options.random_state)
    y_train, y_test = posters.target.iloc[train], posters.target.iloc[test]
    print(f"training set: {len(train)} posters, test set: {len(test)}")

    pipeline = build(options)
    pipeline.fit(posters.data[train], y_train)

    loader, classifier = pipeline["images"].set_params(verbose=0), pipeline["cnn"]
    print_scores(y_test, pipeline.predict_proba(posters.data[test]), y_train)
    new = posters.data[test][:5]
    names = classifier.predict_top_k(loader.transform(new))
    print_top_genres(names, new, y_test[:5])

    options.output.mkdir(parents=True, exist_ok=True)
    curves = TrainingHistoryDisplay.from_estimator(pipeline, y=y_train)
    grid = PosterGridDisplay.from_estimator(
        pipeline, posters.data[test], y_test, max_posters=8
    )
    print()
    for display, name in [(curves, "history.png"), (grid, "posters.png")]:
        display.figure_.savefig(options.output / name, dpi=120)
        print(f"wrote {options.output / name}")
    print(f"{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
