"""Does the model look at the cue of a genre, or anywhere else?

On synthetic posters the answer can be checked: a genre is a motif, such as stripes or
dots, and each of a poster's three panels shows the motif of one of its genres. This
example fits the recipe "frozen", draws which parts of held-out posters speak for their
most probable genres, then does two checks that every heat map should have to pass:

- cover the hottest fifth of the poster: does the probability fall by more than if a
  fifth is covered at random?
- give the model random weights: does the map change?

At last it looks up the training posters that are most alike.
"""

import argparse
from copy import deepcopy
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.

import numpy as np
from scipy.stats import spearmanr

from sk_posters import PosterImageLoader, make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.inspection import grad_cam, nearest_posters
from sk_posters.plotting import GradCAMDisplay

COVERED = 0.2  # Share of a poster that the first check covers.


def names_with_motifs(posters):
    """Return the names of genres, each with the motif it is drawn as."""
    lines = posters.DESCR.splitlines()[-len(posters.target_names) :]
    motifs = {line.split()[0]: line.split("%")[1].strip() for line in lines}
    return [f"{name}: {motifs[name]}" for name in posters.target_names]


def covered(images, cells):
    """Return images that are grey where `cells` are greatest."""
    least = np.quantile(cells, 1 - COVERED, axis=(1, 2), keepdims=True)
    return np.where((cells > least)[..., np.newaxis], np.float32(0.5), images)


def check_by_covering(model, images, answers, rng):
    """Print how far the probability of genres falls when parts are covered."""
    maps = grad_cam(model, images)
    before = model.predict_proba(images)
    falls = {"hottest": [], "random": [], "coldest": []}
    for label in range(answers.shape[1]):
        has_it = answers[:, label] == 1
        heat = maps[has_it, label]
        # Patches, as the maps are. They also order what is equally cold.
        patches = np.kron(rng.random((len(heat), 10, 7)), np.ones((1, 32, 32)))
        for name, cells in {
            "hottest": heat + 1e-3 * patches,
            "random": patches,
            "coldest": 1e-3 * patches - heat,
        }.items():
            after = model.predict_proba(covered(images[has_it], cells))
            falls[name].extend(before[has_it, label] - after[:, label])
    print(f"\nThe probability of a true genre falls, with {COVERED:.0%} covered, by")
    for name, values in falls.items():
        print(f"  {name:8} part: {np.mean(values):.3f}")


def check_by_random_weights(model, images, rng):
    """Print how alike maps are to those of a model whose weights are shuffled."""
    other = deepcopy(model)
    for linear in other[-1].estimators_:
        linear.coef_ = rng.permuted(linear.coef_, axis=1)
    pairs = zip(grad_cam(model, images), grad_cam(other, images), strict=True)
    alike = [
        spearmanr(one.ravel(), two.ravel()).statistic
        for maps in pairs
        for one, two in zip(*maps, strict=True)
        if one.any() and two.any()
    ]
    print("\nRank correlation with the maps of a model whose weights are shuffled")
    print(f"  {np.mean(alike):.2f} on average; 1 would say that maps ignore the model")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Heat maps, and checks of them.")
    parser.add_argument("--n-samples", type=int, default=300, help="posters to draw")
    parser.add_argument("--output", type=Path, default=Path("examples/output"))
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(options.random_state)

    posters = make_posters(options.n_samples, random_state=options.random_state)
    n_train = options.n_samples * 4 // 5
    model = make_poster_pipeline("frozen", image_size=(320, 224))
    model.fit(posters.data[:n_train], posters.target[:n_train])
    X_test, y_test = posters.data[n_train:], posters.target[n_train:].to_numpy()

    # One genre alone fills all three panels: nothing to point at.
    several = y_test.sum(axis=1) >= 2
    X_test, y_test = X_test[several], y_test[several]
    display = GradCAMDisplay.from_estimator(
        model, X_test, label_names=names_with_motifs(posters), k=3, max_posters=3
    )
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "explain.png"
    display.figure_.savefig(path, dpi=120)
    print(f"wrote {path}")

    loader = PosterImageLoader(image_size=(320, 224), interpolation="bilinear")
    images = np.asarray(loader.fit_transform(X_test[:30]))
    check_by_covering(model, images, y_test[:30], rng)
    check_by_random_weights(model, images, rng)

    found = nearest_posters(model, X_test, posters.data[:n_train], n_neighbors=3)
    neighbours = posters.target.to_numpy()[found["index"]]
    shared = (neighbours * y_test[found["row"]]).sum(axis=1) / neighbours.sum(axis=1)
    anyone = posters.target[:n_train].to_numpy()
    expected = (anyone @ y_test.T / anyone.sum(axis=1, keepdims=True)).mean()
    print("\nOf the genres of the three nearest training posters, those shared are")
    print(
        f"  {shared.mean():.0%}; of the genres of any training poster, {expected:.0%}"
    )
    print(READING)


READING = """
How to read this, with the default options:

- Mostly, the model looks at the cue: columns light up for Comedy, dots for Action,
  stripes for Drama. Covering the hottest fifth costs true genres 0.18 of their
  probability, three times what a fifth covered at random costs (0.06), and the coldest
  fifth costs least (0.04). Shuffled weights give other maps (rank correlation 0.11).
- Not always. In the second poster, "rising diagonals" light up columns and stripes that
  are slightly turned: the probability of 0.48 is for a genre that is not there. In the
  third, stripes are also seen in the small print of the title. Maps of wrong answers
  are as bright as those of right ones; they can tell why an answer is wrong.
- Maps have 10 by 7 cells, enlarged. Hot spots have no edges worth a look.
- Neighbours share 79 % of their genres with a poster, where any poster shares 57 %:
  what looks alike to a network that learned from photographs may be another genre.
- All this is one fit, on 30 posters that were drawn. Where a cue lies is known here; on
  real posters it is not, and a map that pleases proves nothing.
"""


if __name__ == "__main__":
    main()
