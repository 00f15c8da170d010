"""How long does a report with bootstrap intervals take, and a loop over scikit-learn?

Ours is `multilabel_report`: nineteen scores of all rows and of every resample, and the
average precision of each label. The loop draws rows and calls scikit-learn's functions
for the thirteen of these scores that it has. It is timed for few resamples, and its
seconds for as many as ours are EXTRAPOLATED from them: the time of one, times their
number. Labels and probabilities are random, with frequencies from 0.5 down to 0.005.
"""

import warnings

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import seconds_of

SIDES = {
    "loop, extrapolated": Side("loop"),
    "ours": Side("ours"),
    "ours, BCa": Side("ours", changes={"method": "bca"}),
}
SECONDS = "seconds of the report"


def answers(job):
    """Return labels and probabilities that know something of them."""
    random = np.random.default_rng(0)
    shape = (job.rows, job.labels)
    frequencies = np.geomspace(0.5, 0.005, job.labels)
    labels = (random.random(shape) < frequencies).astype(int)
    labels[0], labels[1] = 1, 0  # Every label has both, however few rows there are.
    logits = np.log(frequencies / (1 - frequencies)) + 2 * labels
    return labels, 1 / (1 + np.exp(-logits - random.normal(size=shape)))


def ours(job):
    from sk_posters.metrics import multilabel_report

    labels, scores = answers(job)
    reports = []
    settings = {"n_bootstrap": job.n_bootstrap, "random_state": 0}
    seconds = seconds_of(
        lambda: reports.append(
            multilabel_report(
                labels, scores, method=getattr(job, "method", "percentile"), **settings
            )
        )
    )
    return {SECONDS: seconds, "lines printed": len(str(reports[0]).splitlines())}


def loop(job):
    labels, scores = answers(job)
    random = np.random.default_rng(0)
    plain_scores(labels, scores)  # The first call imports.

    def resampled():
        for _ in range(job.loop_resamples):
            rows = random.integers(0, job.rows, job.rows)
            plain_scores(labels[rows], scores[rows])

    each = seconds_of(resampled) / job.loop_resamples
    return {SECONDS: job.n_bootstrap * each, "seconds of one resample": each}


def plain_scores(labels, scores):
    """Return the scores that scikit-learn has, by its functions."""
    from sklearn import metrics

    given = (scores > 0.5).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A resample may lack a label.
        return [
            metrics.hamming_loss(labels, given),
            metrics.accuracy_score(labels, given),
            *(
                metrics.f1_score(labels, given, average=average)
                for average in ("macro", "micro", "weighted", "samples")
            ),
            metrics.average_precision_score(labels, scores, average="macro"),
            metrics.average_precision_score(labels, scores, average="micro"),
            metrics.roc_auc_score(labels, scores),
            metrics.label_ranking_average_precision_score(labels, scores),
            metrics.label_ranking_loss(labels, scores),
            metrics.coverage_error(labels, scores),
            np.mean(
                [
                    metrics.log_loss(true, probability, labels=[0, 1])
                    for true, probability in zip(labels.T, scores.T, strict=True)
                ]
            ),
        ]


def main(arguments=None):
    options = parser(__doc__, data=False, repeat=3)
    for name, default, text in (
        ("--rows", 1089, "rows of the report"),
        ("--labels", 25, "labels"),
        ("--n-bootstrap", 1000, "resamples"),
        ("--loop-resamples", 10, "resamples that the loop is timed for"),
    ):
        help_text = f"{text} (default: {default})"
        options.add_argument(name, type=int, default=default, help=help_text)
    options = parsed(options, arguments)
    runs = in_turn(__file__, SIDES, job_of(options), options.repeat)
    report(__file__, options, runs, reference="ours")


if __name__ == "__main__":
    main()
