"""
What do rare genres gain from another loss?
===========================================

Where a genre is rare, a network that never gives it is right nearly always, and learns
just that. There are many remedies: losses that weight easy examples less, weights for
rare genres, shifted logits. Do they rank better, or do they only move the threshold?
"""

# %%
# The same network, four losses
# -----------------------------
# The network is one layer on pretrained features, which are computed once. It begins
# at random: the loss decides what is learned.
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score, recall_score

from sk_posters import PosterClassifier, PosterEncoder
from sk_posters.datasets import make_posters
from sk_posters.model_selection import multilabel_train_test_split

posters = make_posters(600, n_labels=16, image_size=(222, 150), random_state=0)
X_train, X_test, y_train, y_test = multilabel_train_test_split(
    posters.data, posters.target, stratify=posters.target, test_size=0.4, random_state=0
)
encoder = PosterEncoder(image_size=(112, 80))
features, features_test = encoder.fit_transform(X_train), encoder.transform(X_test)
rare = y_train.sum().nsmallest(6).index
print("rare:", ", ".join(f"{name} ({y_train[name].sum()})" for name in rare))

# %%
losses = {
    "cross-entropy": {},
    "asymmetric": {"loss": "asymmetric"},
    "balanced weights": {"label_weight": "balanced"},
    "adjusted logits": {"logit_adjustment": 1.0},
}
rows, precisions = {}, {}
for name, setting in losses.items():
    model = PosterClassifier(
        filters=(),
        dense_units=(),
        epochs=20,
        learning_rate=0.001,
        random_state=0,
        **setting,
    )
    started = time.perf_counter()
    model.fit(features, y_train)
    seconds = time.perf_counter() - started
    probabilities = model.predict_proba(features_test)
    given = pd.DataFrame(probabilities >= 0.5, columns=y_test.columns)
    precision = average_precision_score(y_test, probabilities, average=None)
    precisions[name] = pd.Series(precision, index=y_test.columns)
    rows[name] = {
        "mAP, all": precision.mean(),
        "mAP, rare": precisions[name][rare].mean(),
        "recall, rare": recall_score(
            y_test[rare], given[rare], average="macro", zero_division=0
        ),
        "macro F1": f1_score(y_test, given, average="macro", zero_division=0),
        "genres given": given.sum(axis=1).mean(),
        "seconds": seconds,
    }
table = pd.DataFrame(rows).T
table.loc["label frequencies"] = {
    "mAP, all": y_test.mean().mean(),
    "mAP, rare": y_test[rare].mean().mean(),
    "recall, rare": 0,
    "macro F1": 0,
    "genres given": 0,
}
print(table.round(3).to_string())
print(f"\ngenres per poster in truth: {y_test.sum(axis=1).mean():.2f}")

# %%
# The three rank rare genres about as well as plain cross-entropy does: by 0.01 better
# at best, and the asymmetric loss worse. What they change is the prediction at 0.5:
# three to five times as many posters of rare genres are found, and macro F1 rises by
# 0.06 to 0.09. All give more genres than there are, adjusted logits most.
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
places = np.arange(len(losses))
shown = table.loc[list(losses)]
for ax, columns, title in [
    (axes[0], ["mAP, all", "mAP, rare"], "How well it ranks"),
    (axes[1], ["macro F1", "recall, rare"], "What it predicts at 0.5"),
]:
    for shift, column, colour in zip(
        [-0.2, 0.2], columns, ["#b7d3e8", "#0072B2"], strict=True
    ):
        ax.barh(places + shift, shown[column], 0.38, color=colour, label=column)
    ax.set_yticks(places, losses)
    ax.set(xlim=(0, 1))
    ax.set_title(title, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=2, frameon=False)
axes[0].invert_yaxis()
plt.show()

# %%
# What it cost
# ------------
# No loss costs more time than another. But what they win, thresholds win as well, after
# the fit and for any classifier: see :doc:`/gallery/plot_thresholds`. Their place is
# where features are trained, too, so that rare genres have a say in what is learned.
# Whether that helps, this example does not show: its features are pretrained and stay
# as they are.
