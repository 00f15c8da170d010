"""How long does the whole job take, from the rows of a table to scores?

Load posters, split them as the tutorial does (15 % held out), train, answer for those
held out, score: the tutorial's own code with TensorFlow's defaults, against
PosterImageLoader and PosterClassifier. Seconds of the job start after the imports; the
figure of the whole process counts them in. After so few posters and epochs the scores
are those of networks that have hardly learned: they show that both sides end with some,
beside what the labels' frequencies score.
"""

import time

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import onednn_is_on

SIDES = {"tutorial": Side("tutorial"), "ours": Side("ours")}
SPLIT = {"test_size": 0.15, "random_state": 0}


def tutorial(job):
    import _tutorial
    import keras  # noqa: F401  # Not part of the seconds of the job.
    from sklearn.model_selection import train_test_split

    started = time.perf_counter()
    X = _tutorial.load_images(job.paths, job.image_size)
    y = np.array(job.target)
    X_train, X_test, y_train, y_test = train_test_split(X, y, **SPLIT)
    model = _tutorial.network(X_train[0].shape, y.shape[1])
    model.fit(X_train, y_train, epochs=job.epochs, batch_size=32, verbose=0)
    return figures(started, y_test, model.predict(X_test, verbose=0))


def ours(job):
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterClassifier, PosterImageLoader

    started = time.perf_counter()
    y = np.array(job.target)
    split = train_test_split(np.array(job.paths, object), y, **SPLIT)
    paths_train, paths_test, y_train, y_test = split
    loader = PosterImageLoader(image_size=(job.image_size, job.image_size))
    classifier = PosterClassifier(epochs=job.epochs, random_state=0)
    pipeline = Pipeline([("images", loader), ("cnn", classifier)])
    pipeline.fit(paths_train, y_train)
    return figures(started, y_test, pipeline.predict_proba(paths_test))


def figures(started, y_test, y_score):
    """Score, stop the clock, and put together what both sides report."""
    from sklearn.metrics import average_precision_score

    occurs = y_test.any(axis=0)
    score = average_precision_score(y_test[:, occurs], y_score[:, occurs])
    return {
        "seconds of the job": time.perf_counter() - started,
        "macro mAP": float(score),
        "macro mAP of the labels' frequencies": float(y_test[:, occurs].mean()),
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=400, image_size=350, epochs=2)
    options = parsed(options, arguments)
    runs = in_turn(__file__, SIDES, job_of(options), options.repeat)
    report(__file__, options, runs, reference="ours")


if __name__ == "__main__":
    main()
