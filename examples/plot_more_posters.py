"""
Would more posters help?
========================

Before anyone collects a thousand more posters, the ones at hand can tell: how did the
score grow from the first hundred to now, and is it still growing?
"""

# %%
# The curve
# ---------
# scikit-learn's own ``learning_curve`` does it, with our folds and our scorer. Features
# do not depend on other posters: they are computed once.
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import learning_curve

from sk_posters import PosterEncoder, make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import get_multilabel_scorer
from sk_posters.model_selection import MultilabelStratifiedKFold

posters = make_posters(1200, n_labels=8, image_size=(222, 150), random_state=0)
started = time.perf_counter()
features = PosterEncoder(image_size=(160, 112)).fit_transform(posters.data)
seconds_features = time.perf_counter() - started
classifier = make_poster_pipeline(C=0.01, with_std=True)[1:]  # Without its encoder.
started = time.perf_counter()
sizes, fitted, held_out = learning_curve(
    classifier,
    features,
    posters.target,
    train_sizes=[0.125, 0.25, 0.5, 1.0],
    cv=MultilabelStratifiedKFold(5, shuffle=True, random_state=0),
    scoring=get_multilabel_scorer("macro_average_precision"),
    shuffle=True,
    random_state=0,
)
seconds_curve = time.perf_counter() - started
for size, scores in zip(sizes, held_out, strict=True):
    mean, spread = scores.mean(), scores.std(ddof=1)
    print(f"{size:5d} posters: macro mAP {mean:.3f} ± {spread:.3f}")

# %%
# On posters it was fitted on, the classifier is perfect with any number of them, which
# is uninformative. On the test folds it still gains with each doubling, less each time.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for scores, colour, name in [
    (fitted, "#D55E00", "posters it was fitted on"),
    (held_out, "#0072B2", "test folds"),
]:
    mean, spread = scores.mean(axis=1), scores.std(axis=1, ddof=1)
    ax.fill_between(sizes, mean - spread, mean + spread, color=colour, alpha=0.2)
    ax.plot(sizes, mean, marker="o", color=colour, label=name)
chance = posters.target.mean().mean()
ax.axhline(chance, color="0.4", linestyle="--", label="label frequencies")
ax.set(xscale="log", xlabel="posters to learn from", ylabel="macro mAP", ylim=(0, 1.03))
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.set_title("Still growing, but each step costs twice the posters", loc="left")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", frameon=False)
plt.show()

# %%
# What it cost
# ------------
print(f"features {seconds_features:.1f} s, 20 fits {seconds_curve:.1f} s")
gain = np.diff(held_out.mean(axis=1))
print("gain from each doubling:", gain.round(3))

# %%
# So yes: the next doubling, another 960 posters, should bring 0.02 or 0.03, if they are
# of the same kind and the curve goes on as it did. That is a guess from four points.
# Each has only the spread of five folds that share posters, which makes it look surer
# than it is.
