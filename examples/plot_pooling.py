"""
How large an image, and what to keep of it?
===========================================

A pretrained network gives a map for each of its features: where in the poster it is
found. Pooling makes one number of a map, by its average ("somewhere, on the whole") or
its maximum ("at least once"). Larger images give larger maps, and take longer. What is
worth its time?
"""

# %%
# What is compared
# ----------------
# Three sizes and three ways of pooling, all with the same classifier behind them, by
# the same five folds.
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_score

from sk_posters import PosterEncoder, make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import get_multilabel_scorer
from sk_posters.model_selection import MultilabelStratifiedKFold

posters = make_posters(400, n_labels=12, image_size=(222, 150), random_state=0)
folds = MultilabelStratifiedKFold(5, shuffle=True, random_state=0)
classifier = make_poster_pipeline(C=0.01, with_std=True)[1:]  # Without its encoder.
scorer = get_multilabel_scorer("macro_average_precision")

# %%
# Features are computed once for each setting: nothing in them is learned from these
# posters, so that they may be computed before the folds are made.
rows = []
for size in [(112, 80), (160, 112), (224, 160)]:
    for pooling in ["avg", "max", "avgmax"]:
        started = time.perf_counter()
        encoder = PosterEncoder(image_size=size, pooling=pooling)
        features = encoder.fit_transform(posters.data)
        milliseconds = 1000 * (time.perf_counter() - started) / len(features)
        scores = cross_val_score(
            classifier, features, posters.target, scoring=scorer, cv=folds
        )
        rows.append((f"{size[0]} × {size[1]}", pooling, scores, milliseconds))

columns = ["size", "pooling", "scores", "ms per poster"]
results = pd.DataFrame(rows, columns=columns)
results["macro mAP"] = [scores.mean() for scores in results["scores"]]
results["folds' spread"] = [scores.std(ddof=1) for scores in results["scores"]]
print(results.drop(columns="scores").round(3).to_string(index=False))
chance = posters.target.mean().mean()
print(f"\nlabel frequencies alone: {chance:.3f}")

# %%
# Larger images rank better, and most of that comes with the first step: at 112 × 80 the
# motifs are a few pixels wide. Maxima are a little ahead of averages at each size, by
# about as much as the folds differ among themselves; both concatenated are no better
# than maxima alone.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
sizes = list(results["size"].unique())
for shift, (pooling, part), marker, colour in zip(
    [-0.15, 0, 0.15],
    results.groupby("pooling", sort=False),
    ["o", "s", "^"],
    ["#0072B2", "#D55E00", "#009E73"],
    strict=True,
):
    ax.errorbar(
        np.arange(len(sizes)) + shift,
        part["macro mAP"],
        yerr=part["folds' spread"],
        fmt=marker,
        color=colour,
        markersize=8,
        label=pooling,
    )
ax.set_xticks(range(len(sizes)), sizes)
ax.set(xlabel="height × width in pixels", ylabel="macro mAP of five folds")
ax.set_title("Size matters, the kind of pooling little", loc="left")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(title="pooling", loc="lower right", frameon=False)
plt.show()

# %%
# What it cost
# ------------
by_size = results.groupby("size", sort=False)["ms per poster"].mean()
print(by_size.round(1).to_string())

# %%
# Folds are the same for all, so that differences can be compared fold by fold: here
# they all point one way, though they are small. But that is one kind of posters. On
# real ones, larger images also paid, and maxima did not: see :doc:`/benchmarks`. The
# times are of one run; where other work is done meanwhile they say little.
differences = np.subtract(results["scores"].iloc[-1], results["scores"].iloc[-3])
print("avgmax - avg at the largest size, by fold:", differences.round(3))
