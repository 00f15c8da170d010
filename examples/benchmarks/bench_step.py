"""Where does the time of a training step go, and how far is it from the limit?

The tutorial's network at the tutorial's size, by ablation: bare `tf.function` steps of
the whole network, without its normalisation, without its dropout, and without both (the
floor); of Keras's own layers; the forward pass alone, with the backward pass, and the
update alone; decoding, scaling and copying one batch. Beside them what the arithmetic
would take at the speed of a large float32 matrix product, measured in the same process.
All of these are timed in turn, with oneDNN on.

Then PosterClassifier's `fit`, each in a process of its own with the package's own
choices: on images in memory, and on paths. The first against the floor is what we add
to it. At last the same steps by hand, on paths and with the package's own feeding: each
wait for the next batch is timed. That is how long the network stands still for want of
data, not what decoding takes from the network's cores meanwhile.
"""

import time

import numpy as np
from _common import N_LABELS, Side, in_turn, job_of, median, parsed, parser, report
from _side import epoch_clock, onednn_is_on, random_batches, seconds_in_turn

SIDES = {
    "parts": Side("parts", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "fit, from memory": Side("fit_from_memory"),
    "fit, from paths": Side("fit_from_paths"),
    "steps by hand, from paths": Side("waiting"),
}
ABLATIONS = {
    "whole network": {},
    "without normalisation": {"batch_norm": False},
    "without dropout": {"dropout": 0.0},
    "floor": {"batch_norm": False, "dropout": 0.0},
}
MATRIX = 2048
FIGURE = "ms per training sample"
WAITING = "share of an epoch that waits for data"


def parts(job):
    """Time everything that a training step is made of, in ms per sample."""
    import _tutorial
    import tensorflow as tf

    images, target = random_batches(job)
    x, y = tf.constant(images), tf.constant(target, tf.float32)
    models = {
        name: network(images, target, parameters)
        for name, parameters in ABLATIONS.items()
    }
    floor = models["floor"]
    functions = {f"step, {name}": step(model, x, y) for name, model in models.items()}
    keras_layers = _tutorial.network(images.shape[1:], N_LABELS)
    functions["step, Keras's own layers"] = step(keras_layers, x, y)
    functions["forward, floor"] = forward(floor, x)
    functions["forward and backward, floor"] = gradients(floor, x, y)
    functions["update"] = update(floor)
    functions.update(feeding(job))
    functions["matrix product"] = matrix_product()
    seconds = seconds_in_turn(functions, job.steps)
    gflops = 2 * MATRIX**3 / seconds.pop("matrix product") / 1e9
    taken = {name: 1000 * value / len(images) for name, value in seconds.items()}
    needed = flops_per_sample(floor)
    return {
        **{f"{name}, ms": value for name, value in taken.items()},
        **{f"{name}, ms": value for name, value in differences(taken).items()},
        "arithmetic of a step, GFLOP": needed / 1e9,
        "speed of a matrix product, GFLOP/s": gflops,
        "limit: arithmetic at that speed, ms": 1000 * needed / 1e9 / gflops,
        "oneDNN": onednn_is_on(),
    }


def differences(taken):
    """Return what the ablations say about the parts of a step."""
    whole = taken["step, whole network"]
    both = taken["forward and backward, floor"]
    return {
        "backward, floor": both - taken["forward, floor"],
        "normalisation": whole - taken["step, without normalisation"],
        "dropout": whole - taken["step, without dropout"],
        "both": whole - taken["step, floor"],
    }


def network(images, target, parameters):
    """Return the untrained network of a classifier with some parameters."""
    from sk_posters import PosterClassifier

    classifier = PosterClassifier(random_state=0, **parameters)
    return classifier.initialize(images, target).model_


def forward(model, x):
    import tensorflow as tf

    run = tf.function(lambda: tf.reduce_sum(model(x, training=True)))
    return lambda: float(run())


def gradients_of(model, x, y):
    """Return loss and gradients: the forward and the backward pass."""
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        losses = keras.losses.binary_crossentropy(y, model(x, training=True))
        loss = tf.reduce_mean(losses)
    return loss, tape.gradient(loss, model.trainable_variables)


def gradients(model, x, y):
    import tensorflow as tf

    # The slopes are returned, because TensorFlow leaves out what nobody asks for.
    run = tf.function(lambda: gradients_of(model, x, y))
    return lambda: float(run()[0])


def step(model, x, y):
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function
    def run():
        loss, slopes = gradients_of(model, x, y)
        optimizer.apply(slopes, model.trainable_variables)
        return loss

    return lambda: float(run())


def update(model):
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    slopes = [tf.zeros(variable.shape) for variable in model.trainable_variables]

    @tf.function
    def run():
        optimizer.apply(slopes, model.trainable_variables)
        return optimizer.iterations + 0

    return lambda: int(run())


def feeding(job):
    """Return functions that decode, scale and copy one batch."""
    import tensorflow as tf

    from sk_posters import PosterImageLoader

    size = (job.image_size, job.image_size)
    paths = np.resize(np.array(job.paths, object), job.batch_size)
    one = PosterImageLoader(image_size=size, n_jobs=1).transform(paths)
    all_cores = PosterImageLoader(image_size=size).transform(paths)
    floats = np.asarray(one)
    pixels = (255 * floats).astype(np.uint8)
    return {
        "decode and scale, one core": lambda: np.asarray(one),
        "decode and scale, all cores": lambda: np.asarray(all_cores),
        "scale alone": lambda: pixels / np.float32(255),
        "copy floats to TensorFlow": lambda: tf.identity(tf.constant(floats)),
    }


def matrix_product():
    import tensorflow as tf

    factor = tf.random.stateless_uniform((MATRIX, MATRIX), (0, 0))
    run = tf.function(lambda: tf.linalg.matmul(factor, factor)[0, 0])
    return lambda: float(run())


def flops_per_sample(model):
    """Count the multiplications and additions of a training step for one sample.

    A layer's backward pass takes two products of the size of its forward pass, for the
    slopes of its weights and of its input; nobody needs those of the images.
    """
    total, is_first = 0, True
    for layer in model.layers:
        weights = getattr(layer, "kernel", None)
        if weights is None:
            continue
        positions = int(np.prod(layer.output.shape[1:-1]))
        products = 2 * positions * int(np.prod(weights.shape))
        total += products * (2 if is_first else 3)
        is_first = False
    return total


def fit_from_memory(job):
    images = loaded(job)
    return fit(job, np.asarray(images))


def fit_from_paths(job):
    return fit(job, loaded(job))


def loaded(job):
    from sk_posters import PosterImageLoader

    size = (job.image_size, job.image_size)
    return PosterImageLoader(image_size=size).transform(job.paths)


def fit(job, images):
    from sk_posters import PosterClassifier

    clock = epoch_clock()
    classifier = PosterClassifier(
        epochs=job.epochs,
        batch_size=job.batch_size,
        callbacks=[clock],
        random_state=0,
    )
    classifier.fit(images, np.array(job.target))
    per_row = 1000 / len(images)
    return {
        FIGURE: float(np.median(clock.seconds)) * per_row,
        "oneDNN": onednn_is_on(),
    }


def waiting(job):
    """Train by hand, and time how long each batch is waited for."""
    from sk_posters._networks._batches import ImageBatches, for_keras

    images, target = loaded(job), np.array(job.target)
    model = network(images, target, {})
    batches = ImageBatches(images, target, batch_size=job.batch_size, seed=0)
    dataset = for_keras(batches)
    shares, seconds = [], []
    for epoch in range(job.epochs):
        waited, started = 0.0, time.perf_counter()
        coming = iter(dataset)
        while True:
            asked = time.perf_counter()
            batch = next(coming, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            model.train_on_batch(*batch)
        if epoch > 0:  # The first one traces the graph.
            seconds.append(time.perf_counter() - started)
            shares.append(waited / seconds[-1])
    return {
        FIGURE: 1000 * float(np.median(seconds)) / len(images),
        WAITING: float(np.median(shares)),
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(
        __doc__,
        repeat=2,
        n_samples=160,
        image_size=350,
        epochs=3,
        batch_size=32,
        steps=5,
    )
    options.set_defaults(n_labels=N_LABELS)
    options = parsed(options, arguments)
    runs = in_turn(__file__, SIDES, job_of(options), options.repeat)
    memory = median(runs, "fit, from memory", FIGURE)
    paths = median(runs, "fit, from paths", FIGURE)
    derived = {
        "fit from memory ÷ floor": memory / median(runs, "parts", "step, floor, ms"),
        "fit from paths ÷ floor": paths / median(runs, "parts", "step, floor, ms"),
        WAITING: median(runs, "steps by hand, from paths", WAITING),
    }
    report(__file__, options, runs, derived=derived)


if __name__ == "__main__":
    main()
