"""How much faster does the tutorial's network train and predict here?

The tutorial's own code as written, with TensorFlow's defaults, against a pipeline of
PosterImageLoader and PosterClassifier that is given paths. Each side has a process of
its own. Time per training sample is the median epoch after the first, from one end of
an epoch to the next, taken by the same callback on both sides, divided by the posters;
time per prediction is that of a second call. Peak memory is that of the process until
training ends: images loaded, network trained. `--onednn` adds the tutorial with
oneDNN switched off and on, whatever TensorFlow does on this processor by itself.
"""

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import PEAK, epoch_clock, memory_mb, onednn_is_on, seconds_of

SIDES = {"tutorial": Side("tutorial"), "ours": Side("ours")}
WITH_ONEDNN = {
    f"tutorial, oneDNN {word}": Side("tutorial", {"TF_ENABLE_ONEDNN_OPTS": value})
    for word, value in [("off", "0"), ("on", "1")]
}


def tutorial(job):
    import _tutorial

    X = _tutorial.load_images(job.paths, job.image_size)
    y = np.array(job.target)
    model = _tutorial.network(X[0].shape, y.shape[1])
    clock = epoch_clock()
    arguments = {"epochs": job.epochs, "batch_size": 32, "verbose": 0}
    model.fit(X, y, callbacks=[clock], **arguments)
    peak = memory_mb(peak=True)

    def from_paths():
        model.predict(_tutorial.load_images(job.paths, job.image_size), verbose=0)

    def from_arrays():
        model.predict(X, verbose=0)

    return figures(clock, peak, from_arrays, from_paths, len(X))


def ours(job):
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterClassifier, PosterImageLoader

    loader = PosterImageLoader(image_size=(job.image_size, job.image_size))
    clock = epoch_clock()
    classifier = PosterClassifier(epochs=job.epochs, callbacks=[clock], random_state=0)
    pipeline = Pipeline([("images", loader), ("cnn", classifier)])
    pipeline.fit(job.paths, np.array(job.target))
    peak = memory_mb(peak=True)
    X = np.asarray(loader.transform(job.paths))

    def from_paths():
        pipeline.predict_proba(job.paths)

    def from_arrays():
        classifier.predict_proba(X)

    return figures(clock, peak, from_arrays, from_paths, len(X))


def figures(clock, peak, from_arrays, from_paths, n_rows):
    """Time the predictions and put together what both sides report."""
    per_row = 1000 / n_rows
    from_arrays()  # The first call traces the graph.
    return {
        "ms per training sample": float(np.median(clock.seconds)) * per_row,
        "ms per prediction, from arrays": seconds_of(from_arrays) * per_row,
        "ms per prediction, from paths": seconds_of(from_paths) * per_row,
        PEAK: peak,
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(__doc__, repeat=2, n_samples=160, image_size=350, epochs=3)
    options.add_argument(
        "--onednn", action="store_true", help="also the tutorial with oneDNN off and on"
    )
    options = parsed(options, arguments)
    sides = {**SIDES, **(WITH_ONEDNN if options.onednn else {})}
    runs = in_turn(__file__, sides, job_of(options), options.repeat)
    report(__file__, options, runs, reference="ours")


if __name__ == "__main__":
    main()
