"""
Does the model give the same predictions elsewhere?
===================================================

A model that was trained here is needed there: in another process, another program,
another language. A file that Python alone can read, or one that any program can? And
are the predictions the same?
"""

# %%
# A model
# -------
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
from PIL import Image

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    export_onnx,
    make_poster_pipeline,
    model_card,
    save_model,
)
from sk_posters.datasets import make_posters
from sk_posters.metrics import mean_average_precision_score
from sk_posters.model_selection import multilabel_train_test_split

posters = make_posters(400, n_labels=8, image_size=(222, 150), random_state=0)
X_train, X_test, y_train, y_test = multilabel_train_test_split(
    posters.data, posters.target, stratify=posters.target, random_state=0
)
pipe = make_poster_pipeline(image_size=(160, 112), C=0.01)
model = MultilabelTunedThresholdClassifierCV(pipe).fit(X_train, y_train)
here = model.predict_proba(X_test)

# %%
# One file for Python
# -------------------
# No code is in it, so nothing runs when it is loaded, from any source. What is known of
# the model is in its card.
folder = Path(tempfile.mkdtemp())
score = mean_average_precision_score(y_test, here)
save_model(
    model,
    folder / "genres.model",
    scores={"macro mAP, test set": score},
    training_data=(X_train, y_train),
)
card = model_card(folder / "genres.model")
print("labels:    ", ", ".join(card["label_names"]))
print("thresholds:", np.round(card["thresholds"], 2))
print("scores:    ", card["scores"])
print("trained on:", card["training_data"]["n_rows"], "rows")

# %%
# A separate process loads it, and writes its predictions.
ELSEWHERE = """
import sys, numpy as np
from sk_posters import load_model
model = load_model(sys.argv[1])
np.save(sys.argv[2], model.predict_proba(sys.argv[3:]))
"""
command = [sys.executable, "-c", ELSEWHERE, str(folder / "genres.model")]
started = time.perf_counter()
subprocess.run([*command, str(folder / "predictions.npy"), *X_test], check=True)
seconds_elsewhere = time.perf_counter() - started
loaded = np.load(folder / "predictions.npy")
print(f"equal to the last bit: {np.array_equal(loaded, here)}")

# %%
# One file for everything else
# ----------------------------
# The ONNX graph takes pixels, and needs neither this package nor scikit-learn. Whoever
# runs it reads and resizes the files, as its metadata say.
export_onnx(model, folder / "genres.onnx")
session = onnxruntime.InferenceSession(folder / "genres.onnx")
about = session.get_modelmeta().custom_metadata_map
height, width = json.loads(about["image_size"])
print(f"{height} × {width}, {about['interpolation']}, labels {about['label_names']}")
started = time.perf_counter()
onnx = []
for path in X_test:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    onnx += [session.run(None, {"images": np.asarray(small)[None]})[0][0]]
seconds_onnx = time.perf_counter() - started
onnx = np.array(onnx)
print(f"largest difference: {np.abs(onnx - here).max():.1e}")

# %%
# The file for Python predicts the same to the last bit. The graph computes in single
# precision what scikit-learn computes in double, and differs in the seventh digit.
fig, axes = plt.subplots(1, 2, figsize=(8.5, 4), layout="constrained")
for ax, elsewhere, title in [
    (axes[0], loaded, "genres.model, another process"),
    (axes[1], onnx, "genres.onnx, onnxruntime alone"),
]:
    largest = np.abs(elsewhere - here).max()
    difference = (
        f"differs by up to {largest:.0e}" if largest else "no difference at all"
    )
    largest = np.abs(elsewhere - here).max()
    difference = (
        f"differs by up to {largest:.0e}" if largest else "no difference at all"
    )
    ax.plot([0, 1], [0, 1], color="0.7", zorder=0)
    ax.plot(here.ravel(), elsewhere.ravel(), ".", color="#0072B2", markersize=4)
    ax.set_title(f"{title}\n{difference}", loc="left", fontsize=10)
    ax.set(xlabel="probability here", ylabel="probability there", aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What it cost
# ------------
sizes = {path.name: path.stat().st_size / 1e6 for path in folder.iterdir()}
print(pd.Series(sizes, name="MB").drop("predictions.npy").round(2).to_string())
print(f"\nload and predict in a new process: {seconds_elsewhere:.1f} s")
print(
    f"prediction by onnxruntime: {1000 * seconds_onnx / len(X_test):.0f} ms per poster"
)

# %%
# The file for Python is small because the network comes with its package on the other
# side, too; the graph holds it. Thresholds are not in the graph: they are in its
# metadata. Other versions of libraries may predict differently, and ``load_model``
# warns of them.
