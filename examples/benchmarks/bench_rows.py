"""Does memory stay flat, and time in proportion, as posters become more?

One fit from paths for each number of posters, each in a process of its own: seconds of
the fit (checking the files, building and tracing the network, training) and peak memory
of the process, with the straight line through them by least squares. `--data` takes
real posters: their sizes vary more than those of drawn ones. `--rows 1000 4000` is the
shortest run that shows whether memory is flat.
"""

import numpy as np
from _common import Side, in_turn, job_of, median, parsed, parser, report
from _side import PEAK, onednn_is_on, seconds_of

SECONDS = "seconds of the fit"


def fit(job):
    from sklearn.pipeline import Pipeline

    from sk_posters import PosterClassifier, PosterImageLoader

    loader = PosterImageLoader(image_size=(job.image_size, job.image_size))
    classifier = PosterClassifier(epochs=1, batch_size=job.batch_size, random_state=0)
    pipeline = Pipeline([("images", loader), ("cnn", classifier)])
    paths, target = job.paths[: job.n_rows], np.array(job.target)[: job.n_rows]
    seconds = seconds_of(lambda: pipeline.fit(paths, target))
    return {SECONDS: seconds, "oneDNN": onednn_is_on()}


def line(rows, values):
    """Return slope and intercept of the straight line by least squares."""
    slope, intercept = np.polyfit(rows, values, 1)
    return float(slope), float(intercept)


def derive(runs, rows):
    """Return the lines through time and memory, and how much memory grows at all."""
    seconds = [median(runs, str(n), SECONDS) for n in rows]
    peaks = [median(runs, str(n), PEAK) for n in rows]
    time_slope, time_intercept = line(rows, seconds)
    memory_slope, memory_intercept = line(rows, peaks)
    return {
        "ms per poster (slope)": 1000 * time_slope,
        "seconds that do not depend on posters (intercept)": time_intercept,
        "MB per 1000 posters (slope)": 1000 * memory_slope,
        "MB that do not depend on posters (intercept)": memory_intercept,
        f"peak memory, {rows[-1]} posters ÷ {rows[0]}": peaks[-1] / peaks[0],
    }


def main(arguments=None):
    options = parser(__doc__, repeat=1, image_size=350, batch_size=32)
    options.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[250, 500, 1000, 2000, 4000],
        help="numbers of posters, two or more (default: 250 500 1000 2000 4000)",
    )
    checked = parsed(options, arguments)
    if len(set(checked.rows)) < 2:
        options.error("--rows must be two or more different numbers")
    rows = sorted(set(checked.rows))
    sides = {str(n): Side("fit", changes={"n_rows": n}) for n in rows}
    job = job_of(checked, n_samples=rows[-1])
    runs = in_turn(__file__, sides, job, checked.repeat)
    report(__file__, checked, runs, derived=derive(runs, rows))


if __name__ == "__main__":
    main()
