"""
What does a network that knows photographs see in posters?
==========================================================

The usual start is to train a network on the posters at hand. The other way is to ask
one that has learned from ImageNet what it sees, and to train nothing but a logistic
regression per genre on that. Which of the two gives the better first predictions?
"""

# %%
# Posters
# -------
# Drawn ones: each genre is a motif, and colours are not informative. A quarter is the
# test set, with the same share of each genre.
import time

from sk_posters import make_poster_pipeline
from sk_posters.datasets import make_posters
from sk_posters.metrics import scores_beside_trivial
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.plotting import PosterGridDisplay, TrainingHistoryDisplay

posters = make_posters(600, n_labels=8, image_size=(222, 150), random_state=0)
X_train, X_test, y_train, y_test = multilabel_train_test_split(
    posters.data, posters.target, stratify=posters.target, random_state=0
)
print(f"training set: {len(X_train)} posters, test set: {len(X_test)}")

# %%
# The baseline: a network trained from scratch
# --------------------------------------------
# The network of the movie poster tutorial, on small images, with small batches and
# little dropout, as there are few posters.
SIZE = (112, 80)
cnn = make_poster_pipeline(
    "cnn",
    image_size=SIZE,
    dropout=0.1,
    batch_size=8,
    epochs=10,
    validation_fraction=0.15,
    random_state=0,
)
started = time.perf_counter()
cnn.fit(X_train, y_train)
seconds_cnn = time.perf_counter() - started
TrainingHistoryDisplay.from_estimator(cnn, y=y_train)

# %%
# The change: features of a network that is trained already
# ---------------------------------------------------------
frozen = make_poster_pipeline("frozen", image_size=SIZE, C=0.01)
started = time.perf_counter()
frozen.fit(X_train, y_train)
seconds_frozen = time.perf_counter() - started

# %%
# Both, next to baselines that see no poster
# ------------------------------------------
table = scores_beside_trivial(y_test, frozen.predict_proba(X_test), y_train=y_train)
table = table.rename(columns={"model": "frozen"}).drop(columns="better")
from_scratch = scores_beside_trivial(y_test, cnn.predict_proba(X_test), y_train=y_train)
table.insert(1, "cnn", from_scratch["model"])
print(table.to_string(float_format="{:.3f}".format))

# %%
# Both have learned something: no baseline ranks better than 0.32. The features of
# photographs rank drawn stripes and dots better than a network that has seen nothing
# but some 380 of them. Its curves say why: the loss of posters it learns from falls on,
# that of others jumps about and comes no lower than that of label frequencies.
#
# These are the predictions of the better one:
PosterGridDisplay.from_estimator(frozen, X_test, y_test, max_posters=4)

# %%
# What it cost
# ------------
print(f"from scratch {seconds_cnn:.1f} s, pretrained features {seconds_frozen:.1f} s")

# %%
# What this does not say: that training from scratch is hopeless. With more posters,
# larger images and more time, the same network learns drawn posters nearly perfectly.
# On real posters it reached half of what pretrained features do.
