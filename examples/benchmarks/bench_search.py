"""What does a search cost beyond its fits, and does memory grow from fit to fit?

GridSearchCV over six candidates and three folds, in one process: its wall time against
the sum of its own fit and score times. For each candidate, what a fit takes beyond its
training: fit time less epochs times the median epoch after the first; it holds the
checking of files, and the building and tracing of the network. Then, in another
process, twenty fits with a new seed each: memory after each of them, and how much it
grows after the fifth.
"""

import time

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import memory_mb, onednn_is_on, seconds_of

SIDES = {"search": Side("search"), "fits": Side("fits")}
GRID = {"cnn__dropout": [0.1, 0.3], "cnn__learning_rate": [3e-4, 1e-3, 3e-3]}
N_FOLDS = 3
SETTLED = 5  # Fits until the memory is expected to have settled.


def pipeline_of(job, **parameters):
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterClassifier, PosterImageLoader

    loader = PosterImageLoader(image_size=(job.image_size, job.image_size))
    parameters = {"batch_size": job.batch_size, "random_state": 0, **parameters}
    return Pipeline([("images", loader), ("cnn", PosterClassifier(**parameters))])


def search(job):
    from sklearn.model_selection import GridSearchCV, KFold

    log = []
    log_epochs(log)
    search = GridSearchCV(
        pipeline_of(job, epochs=job.epochs),
        GRID,
        scoring="neg_mean_squared_error",  # Defined for every fold, also a small one.
        cv=KFold(N_FOLDS, shuffle=True, random_state=0),
        refit=False,
    )
    total = seconds_of(lambda: search.fit(job.paths, np.array(job.target)))
    fit = search.cv_results_["mean_fit_time"]
    score = search.cv_results_["mean_score_time"]
    in_fits = N_FOLDS * float(np.sum(fit) + np.sum(score))
    training = [job.epochs * np.median(np.diff(ends)) for ends in log]
    beyond = fit - np.mean(np.reshape(training, (-1, N_FOLDS)), axis=1)
    return {
        "search in all, s": total,
        "sum of its fits and scores, s": in_fits,
        "search beyond them, s": total - in_fits,
        "a fit beyond its training, s, first candidate": float(beyond[0]),
        "a fit beyond its training, s, others, median": float(np.median(beyond[1:])),
        "a fit beyond its training, s, others, most": float(np.max(beyond[1:])),
        "a fit beyond its training, s, by candidate": beyond.tolist(),
        "oneDNN": onednn_is_on(),
    }


def log_epochs(log):
    """Let each fit log when its epochs end.

    Not by a callback: it would get hold of the network, which is then not used again.
    """
    from sk_posters._networks._batches import ImageBatches

    begin, end = ImageBatches.__init__, ImageBatches.draw_next_order

    def begin_logging(batches, *arguments, **options):
        begin(batches, *arguments, **options)
        log.append([])

    def end_logging(batches):
        end(batches)
        log[-1].append(time.perf_counter())

    ImageBatches.__init__, ImageBatches.draw_next_order = begin_logging, end_logging


def fits(job):
    target, after = np.array(job.target), []
    for number in range(job.n_fits):
        pipeline_of(job, epochs=1, random_state=number).fit(job.paths, target)
        after.append(memory_mb(peak=False))
    return {
        f"memory after fit {SETTLED}, MB": after[SETTLED - 1],
        "memory after the last fit, MB": after[-1],
        f"growth after fit {SETTLED}, MB": after[-1] - after[SETTLED - 1],
        "memory after each fit, MB": after,
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(
        __doc__, repeat=1, n_samples=120, image_size=128, epochs=3, batch_size=16
    )
    options.add_argument(
        "--n-fits", type=int, default=20, help="fits in one process (default: 20)"
    )
    checked = parsed(options, arguments)
    if checked.n_fits <= SETTLED:
        options.error(f"--n-fits must be more than {SETTLED}")
    runs = in_turn(__file__, SIDES, job_of(checked), checked.repeat)
    report(__file__, checked, runs)


if __name__ == "__main__":
    main()
