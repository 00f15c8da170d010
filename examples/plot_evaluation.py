"""Has this model learned anything, and what?

A score alone does not say. This example trains a linear classifier on synthetic rows
whose labels are as common, and as rare, as genres of movies; two of the labels are pure
chance. It prints the report and draws four pictures, all of rows that were held out,
and reads them. What is shown works for any multi-label classifier.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters import MultilabelTunedThresholdClassifierCV
from sk_posters.metrics import multilabel_report
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.plotting import (
    LabelCooccurrenceDisplay,
    LabelScoresDisplay,
    MultilabelCalibrationDisplay,
    ThresholdCurveDisplay,
)

FREQUENCIES = {
    **{"Drama": 0.5, "Comedy": 0.37, "Romance": 0.18, "Action": 0.17, "Crime": 0.16},
    **{"Thriller": 0.13, "Adventure": 0.12, "Horror": 0.09, "Mystery": 0.07},
    **{"Fantasy": 0.06, "Family": 0.05, "Sci-Fi": 0.05, "Biography": 0.05},
    **{"Documentary": 0.04, "Animation": 0.04, "Music": 0.03, "History": 0.03},
    **{"War": 0.02, "Sport": 0.02, "Western": 0.015},
}
CHANCE = ["Mystery", "Music"]  # Nothing in the features tells these.
TOGETHER = [("Thriller", "Crime"), ("Family", "Animation"), ("Romance", "Drama")]


def draw_rows(n_samples, random_state):
    """Draw features and labels: directions in a space of 60 noisy features."""
    rng = np.random.default_rng(random_state)
    names = list(FREQUENCIES)
    causes = pd.DataFrame(rng.normal(size=(n_samples, len(names))), columns=names)
    for name, other in TOGETHER:
        causes[name] = 0.6 * causes[other] + 0.8 * causes[name]
    cuts = {name: np.quantile(causes[name], 1 - FREQUENCIES[name]) for name in names}
    y = (causes > pd.Series(cuts)).astype(int)
    X = causes.drop(columns=CHANCE) @ rng.normal(size=(len(names) - len(CHANCE), 60))
    return X.to_numpy() + 3.5 * rng.normal(size=X.shape), y


def main(arguments=None):
    parser = argparse.ArgumentParser(description="A report, and pictures of it.")
    parser.add_argument("--n-samples", type=int, default=4000, help="rows to draw")
    parser.add_argument("--n-bootstrap", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("examples/output"))
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args(arguments)

    X, y = draw_rows(options.n_samples, options.random_state)
    X, X_test, y, y_test = multilabel_train_test_split(
        X, y, stratify=y, test_size=0.25, random_state=options.random_state
    )
    # class_weight="balanced" is what many do about rare labels.
    linear = LogisticRegression(C=0.01, class_weight="balanced")
    balanced = make_pipeline(StandardScaler(), OneVsRestClassifier(linear))
    # Thresholds and probabilities are learned from out-of-fold scores of training rows.
    tuned = MultilabelTunedThresholdClassifierCV(balanced, calibration="sigmoid")
    balanced.fit(X, y)
    tuned.fit(X, y)

    report = multilabel_report(
        y_test,
        tuned.predict_proba(X_test),
        y_train=y,
        thresholds=tuned.best_thresholds_,
        n_bootstrap=options.n_bootstrap,
        random_state=options.random_state,
    )
    print(report)

    print("\nF1 on rows that no threshold was tuned on:\n")
    everything = np.ones_like(y_test)
    at_one = tuned.predict_proba(X_test) >= tuned.common_threshold_
    answers = {
        "every label to every row": everything,
        "balanced classes, cut at 0.5": balanced.predict(X_test),
        "calibrated, one threshold": at_one,
        "calibrated and tuned": tuned.predict(X_test),
    }
    for name, given in answers.items():
        micro, macro = (
            f1_score(y_test, given, average=average, zero_division=0)
            for average in ("micro", "macro")
        )
        print(f"  {name:30} micro {micro:.3f}   macro {macro:.3f}")

    options.output.mkdir(parents=True, exist_ok=True)
    displays = {
        "label_scores": LabelScoresDisplay.from_report(report),
        "thresholds": ThresholdCurveDisplay.from_estimator(tuned, X_test, y_test),
        "thresholds_by_label": ThresholdCurveDisplay.from_estimator(
            tuned, X_test, y_test, labels=None
        ),
        "cooccurrence": LabelCooccurrenceDisplay.from_estimator(tuned, X_test, y_test),
        "calibration_before": MultilabelCalibrationDisplay.from_estimator(
            balanced, X_test, y_test, labels=["all labels", "Drama", "War"]
        ),
        "calibration": MultilabelCalibrationDisplay.from_estimator(
            tuned, X_test, y_test, labels=["all labels", "Drama", "War"]
        ),
    }
    print()
    for name, display in displays.items():
        path = options.output / f"{name}.png"
        display.figure_.savefig(path, dpi=120)
        print(f"wrote {path}")
    print(READING)


READING = """
How to read this, with the default options:

- Yes, it has learned: mean average precision is about five times that of chance. But
  two of the 20 labels are chance, and their bars say so, pale and beside their marks.
  The intervals of rare labels are wide: fifteen rows of Western tell little.
- Probabilities of balanced classes are far too high (calibration error 0.16). Sigmoids
  mend that, to below 0.01. War has so few rows that its curve is mostly hollow: noise.
- Thresholds were tuned for macro F1, and it rose from 0.48 to 0.57, and micro F1 from
  0.56 to 0.71. One threshold for all labels, also learned out of fold, does as well: on
  calibrated probabilities, thresholds by label were hardly worth it.
- The map of co-occurrence has a grey row: Mystery, which nothing tells, is given to no
  row. Its sigmoid gives all rows the same probability, which no threshold can part.
- All this holds for one draw of rows and one fit. The rows were drawn so that a linear
  classifier can find most labels; posters are not as kind.
"""


if __name__ == "__main__":
    main()
