"""How many posters a second can be decoded, and how much do more cores help?

Files in, float32 images of one size in [0, 1] out, in batches of 32 of which one is
held at a time: the tutorial's loop, a plain loop over Pillow, TensorFlow's own
operations in a tf.data pipeline, PyTurboJPEG where it is installed, and
PosterImageLoader. Every side resizes to the nearest pixel. All files are read once
before, so that nobody waits for the disk. Ours checks all files when it is given them,
which decodes each once more: the figure "with the check" counts that in.
"""

from pathlib import Path

import numpy as np
from _common import Side, in_turn, job_of, median, parsed, parser, report
from _side import seconds_of
from joblib import cpu_count

FIGURE = "images per second"
BATCH = 32
SIDES = {
    "tutorial": Side("tutorial"),
    "Pillow": Side("pillow"),
    "tf.data, one core": Side("tensorflow", changes={"n_jobs": 1}),
    "tf.data, all cores": Side("tensorflow", changes={"n_jobs": -1}),
    "ours, one core": Side("ours", changes={"n_jobs": 1}),
    "ours, all cores": Side("ours", changes={"n_jobs": -1}),
}
TURBO = {"PyTurboJPEG": Side("turbojpeg")}


def tutorial(job):
    import _tutorial

    return loop(job, lambda paths: _tutorial.load_images(paths, job.image_size))


def pillow(job):
    from PIL import Image

    def decode(path):
        with Image.open(path) as image:
            image = image.convert("RGB")
        size = (job.image_size, job.image_size)
        return np.asarray(image.resize(size, Image.Resampling.NEAREST))

    def batch(paths):
        return np.stack([decode(path) for path in paths]) / np.float32(255)

    return loop(job, batch)


def turbojpeg(job):
    from PIL import Image
    from turbojpeg import TJPF_RGB, TurboJPEG

    decoder = TurboJPEG()
    size = (job.image_size, job.image_size)

    def decode(path):
        pixels = decoder.decode(Path(path).read_bytes(), pixel_format=TJPF_RGB)
        image = Image.fromarray(pixels)
        return np.asarray(image.resize(size, Image.Resampling.NEAREST))

    def batch(paths):
        return np.stack([decode(path) for path in paths]) / np.float32(255)

    return loop(job, batch)


def tensorflow(job):
    import tensorflow as tf

    def decode(path):
        image = tf.io.decode_image(
            tf.io.read_file(path), channels=3, expand_animations=False
        )
        image = tf.image.resize(image, (job.image_size, job.image_size), "nearest")
        return tf.cast(image, tf.float32) / 255.0

    calls = 1 if job.n_jobs == 1 else tf.data.AUTOTUNE
    data = tf.data.Dataset.from_tensor_slices(job.paths)
    data = data.map(decode, num_parallel_calls=calls).batch(BATCH)

    def all_batches():
        for images in data:
            images.numpy()

    return timed(job, all_batches, job.n_jobs)


def ours(job):
    from sk_posters import PosterImageLoader

    loader = PosterImageLoader(
        image_size=(job.image_size, job.image_size), n_jobs=job.n_jobs
    )
    images = loader.transform(job.paths)

    def all_batches():
        for start in range(0, len(images), BATCH):
            np.asarray(images[start : start + BATCH])

    figures = timed(job, all_batches, job.n_jobs)
    check = seconds_of(lambda: loader.transform(job.paths))
    in_all = check + len(images) / figures[FIGURE]
    return {**figures, f"{FIGURE}, with the check": len(images) / in_all}


def loop(job, batch):
    """Time a function that makes images of some paths, on one core."""

    def all_batches():
        for start in range(0, len(job.paths), BATCH):
            batch(job.paths[start : start + BATCH])

    return timed(job, all_batches, n_jobs=1)


def timed(job, all_batches, n_jobs):
    """Read all files once, then time them."""
    all_batches()
    rate = len(job.paths) / seconds_of(all_batches)
    n_cores = cpu_count() if n_jobs == -1 else n_jobs
    return {FIGURE: rate, f"{FIGURE} and core": rate / n_cores}


def has_turbojpeg():
    """Tell whether PyTurboJPEG and the library that it needs are there."""
    try:
        from turbojpeg import TurboJPEG

        TurboJPEG()
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def main(arguments=None):
    options = parsed(
        parser(__doc__, repeat=3, n_samples=640, image_size=350), arguments
    )
    sides = {**SIDES, **(TURBO if has_turbojpeg() else {})}
    if len(sides) == len(SIDES):
        print("PyTurboJPEG is left out: pip install PyTurboJPEG, and libturbojpeg")
    runs = in_turn(__file__, sides, job_of(options), options.repeat)
    slowest = median(runs, "tutorial", FIGURE)
    fastest = median(runs, "ours, all cores", FIGURE)
    derived = {"ours, all cores ÷ tutorial": fastest / slowest}
    report(__file__, options, runs, reference="tutorial", derived=derived)


if __name__ == "__main__":
    main()
