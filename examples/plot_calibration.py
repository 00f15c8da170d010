"""
Do seventy per cent mean seventy per cent?
==========================================

A classifier that is too free learns its posters by heart, and is then too sure of
itself. It may rank as well as another, and its probabilities be wrong all the same.
Can they be mended after the fit?
"""

# %%
# A classifier that is too sure
# -----------------------------
# ``C=10`` hardly holds it back.
import time

import matplotlib.pyplot as plt
import pandas as pd

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    make_poster_pipeline,
)
from sk_posters.datasets import make_posters
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.plotting import MultilabelCalibrationDisplay

posters = make_posters(900, n_labels=8, image_size=(222, 150), random_state=0)
features = PosterEncoder(image_size=(112, 80)).fit_transform(posters.data)
X_train, X_test, y_train, y_test = multilabel_train_test_split(
    features, posters.target, stratify=posters.target, test_size=0.4, random_state=0
)
classifier = make_poster_pipeline(C=10, with_std=True)[1:]  # Without its encoder.

# %%
# Two ways to mend it
# -------------------
# Both are learned from out-of-fold scores. A temperature divides all log-odds by one
# number; sigmoids give each genre two numbers of its own.
models = {
    "as fitted": classifier,
    "temperature": MultilabelTunedThresholdClassifierCV(
        classifier, calibration="temperature"
    ),
    "sigmoids": MultilabelTunedThresholdClassifierCV(classifier, calibration="sigmoid"),
}
scores, seconds = {}, {}
names = ["macro average precision", "log loss", "calibration error"]
for name, model in models.items():
    started = time.perf_counter()
    model.fit(X_train, y_train)
    seconds[name] = time.perf_counter() - started
    report = multilabel_report(
        y_test, model.predict_proba(X_test), y_train=y_train, n_bootstrap=0
    )
    scores[name] = report.scores["value"]
    baseline = report.scores["label frequencies"]
print(pd.DataFrame(scores | {"label frequencies": baseline}).loc[names].round(3))

# %%
# All three rank alike: neither way changes the order within a genre. But the log loss
# of the model as fitted is worse than that of label frequencies, which know nothing of
# a poster. The left picture says why: where it says 10 %, nearly a third is positive. A
# temperature mends most, sigmoids a little more.
fig, axes = plt.subplots(1, 2, figsize=(12, 6.5), layout="constrained")
for ax, name in zip(axes, ["as fitted", "sigmoids"], strict=True):
    MultilabelCalibrationDisplay.from_estimator(models[name], X_test, y_test, ax=ax)
    ax.set_xlabel(f"{name}: {ax.get_xlabel()}")
plt.show()

# %%
# What it cost
# ------------
print(pd.Series(seconds, name="seconds").round(1).to_string())

# %%
# Five more fits. A classifier that is not too sure in the first place, with C=0.01,
# would have been the simpler remedy; calibration is for those that one cannot fit
# again, or whose best ranks come with wrong probabilities.
