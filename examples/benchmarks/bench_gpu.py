"""How fast are networks and features on a GPU, and do they predict as on a CPU?

The tutorial's network, and the fine-tuned EfficientNet-Lite0, in float32 and float16:
PosterClassifier on each of Keras's backends that is installed (TensorFlow, JAX,
PyTorch) against the same network in plain PyTorch, eager and compiled. All train and
predict from the same uint8 images in memory: what is timed is an epoch of `fit`, or of
a loop in PyTorch that copies batches from pinned memory while the card computes; and
`predict_proba`. Beside them "PyTorch, batch on the card", which copies nothing, the
copying alone, and the step's arithmetic at the speed of a large matrix product on this
card. Each side of ours asks its trained network on the CPU as well, in another
process, and gives the largest difference of a probability.

Then PosterEncoder: images per second and the largest difference between features of
CPU and GPU, for onnxruntime and for the same network in Keras. A convolution in
float32 may use TensorFloat-32 on such cards, in Keras and PyTorch alike; onnxruntime
is told not to.

Without a GPU, there is nothing to measure; --cpu runs all the same on the CPU.
"""

import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import (
    N_LABELS,
    Side,
    in_turn,
    job_of,
    list_gpu_names,
    median,
    parsed,
    parser,
    report,
)
from _side import epoch_clock, random_batches, seconds_in_turn

STEP, PREDICTED = "ms per training step", "images predicted per second"
MEMORY, DIFFERENCE = "peak GPU memory, MB", "largest difference from the CPU"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
NETWORKS = {"poster_cnn": "tutorial", "efficientnet_lite0": "Lite0"}
PRECISIONS = ("float32", "float16")
# What hides a GPU from a process, whatever the backend.
ON_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
N_BATCHES = 8
MATRIX = 8192


def list_sides(options):
    """Return the sides that this machine can run."""
    backends = [name for name in BACKENDS if importlib.util.find_spec(name)]
    has_torch = "torch" in backends
    sides = {}
    for network, title in NETWORKS.items():
        for precision in PRECISIONS:
            changes = {"network": network, "precision": precision}
            for backend in backends:
                name = f"{title}, {precision}: ours on {BACKENDS[backend]}"
                environment = {"KERAS_BACKEND": backend}
                # JAX would take three quarters of the card at once.
                environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
                sides[name] = Side("ours", environment, changes)
            for form in ("eager", "compiled") if has_torch else ():
                name = f"{title}, {precision}: plain PyTorch, {form}"
                sides[name] = Side("plain_torch", {}, {**changes, "form": form})
    for precision in PRECISIONS if has_torch else ():
        changes = {"precision": precision}
        sides[f"limit, {precision}"] = Side(
            "limit", {"KERAS_BACKEND": "torch"}, changes
        )
    sides["features, onnxruntime"] = Side("features_of_onnxruntime")
    for backend in backends:
        environment = {"KERAS_BACKEND": backend}
        sides[f"features, Keras on {BACKENDS[backend]}"] = Side(
            "features_of_keras", environment
        )
    if options.only:
        sides = {name: side for name, side in sides.items() if options.only in name}
    return sides


def draw_images(job):
    """Return uint8 images and labels of some batches."""
    images, target = random_batches(job, N_BATCHES)
    return (images * 255).astype(np.uint8), target


# -- ours ----------------------------------------------------------------------------


def ours(job):
    """Train and predict with PosterClassifier, and compare with the CPU."""
    from sk_posters import PosterClassifier

    images, target = draw_images(job)
    clock = epoch_clock()
    classifier = PosterClassifier(
        network=job.network,
        head_start=False,
        augment=(),
        epochs=max(2, 1 + -(-job.steps // N_BATCHES)),
        batch_size=job.batch_size,
        callbacks=[clock],
        mixed_precision=job.precision == "float16",
        random_state=0,
    )
    classifier.fit(images, target)
    classifier.callbacks = None
    seconds = seconds_in_turn({"all": lambda: classifier.predict_proba(images)}, 5)
    few = images[: job.batch_size]
    return {
        STEP: 1000 * float(np.median(clock.seconds)) / N_BATCHES,
        PREDICTED: len(images) / seconds["all"],
        **peak_of_gpu(),
        DIFFERENCE: compare_with_cpu(classifier, few),
    }


def peak_of_gpu():
    """Return the greatest memory that Keras's backend took of the GPU, as a figure."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        return peak_of_torch()
    if backend == "jax":
        import jax

        peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    else:
        import tensorflow as tf

        there = tf.config.list_physical_devices("GPU")
        memory_info = tf.config.experimental.get_memory_info
        peak = memory_info("GPU:0")["peak"] if there else None
    return {} if peak is None else {MEMORY: peak / 2**20}


def peak_of_torch():
    """Return the greatest memory that PyTorch took of the GPU, as a figure."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {MEMORY: torch.cuda.max_memory_allocated() / 2**20}


def compare_with_cpu(classifier, images):
    """Return the largest difference of a probability in a process without a GPU."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "classifier.pickle")
        with file.open("wb") as stream:
            pickle.dump((classifier, images, classifier.predict_proba(images)), stream)
        result = subprocess.run(
            [sys.executable, __file__, "--compare", file],
            env={**os.environ, **ON_CPU},
            check=True,
            capture_output=True,
            text=True,
        )
    return float(result.stdout.split()[-1])


def print_difference(file):
    """Print how far this process predicts from what a file says."""
    with open(file, "rb") as stream:
        classifier, images, expected = pickle.load(stream)
    print(np.abs(classifier.predict_proba(images) - expected).max())


# -- plain PyTorch -------------------------------------------------------------------


def plain_torch(job):
    """Train and predict in PyTorch, as its tutorials do it."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, target = draw_images(job)
    x, y = torch.from_numpy(images), torch.from_numpy(target.astype(np.float32))
    if device == "cuda":
        x, y = x.pin_memory(), y.pin_memory()
    build = torch_lite0 if job.network == "efficientnet_lite0" else torch_tutorial
    model = build(job.image_size, target.shape[1])
    model = model.to(device, memory_format=torch.channels_last).train()
    run = torch.compile(model) if job.form == "compiled" else model
    optimizer = torch.optim.Adam(model.parameters())
    half = job.precision == "float16"
    scaler = torch.amp.GradScaler(device, enabled=half)
    loss_of = torch.nn.BCEWithLogitsLoss()
    batches = [
        slice(at, at + job.batch_size) for at in range(0, len(x), job.batch_size)
    ]

    def forward(images):
        pixels = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        with torch.autocast(device, torch.float16, enabled=half):
            return run(pixels)

    def train(images, labels):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(forward(images).float(), labels.to(device, non_blocking=True))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    def epoch():
        losses = [train(x[batch], y[batch]) for batch in batches]
        return float(sum(losses))

    first = x[batches[0]].to(device), y[batches[0]].to(device)

    def steps_on_card():
        return float(sum(train(*first) for _ in batches))

    def predict():
        with torch.inference_mode():
            parts = [forward(x[batch]).float().sigmoid().cpu() for batch in batches]
        return torch.cat(parts).numpy()

    rounds = max(1, -(-job.steps // len(batches)))
    seconds = seconds_in_turn({"fed": epoch, "on the card": steps_on_card}, rounds)
    model.eval()
    predicting = seconds_in_turn({"all": predict}, 5)["all"]
    return {
        STEP: 1000 * seconds["fed"] / len(batches),
        f"{STEP}, batch on the card": 1000 * seconds["on the card"] / len(batches),
        PREDICTED: len(x) / predicting,
        **peak_of_torch(),
    }


def torch_tutorial(side, n_labels):
    """Build the tutorial's network without its last sigmoid."""
    from bench_torch import torch_network

    return torch_network(side, n_labels)[:-1]


def torch_lite0(side, n_labels):
    """Build EfficientNet-Lite0 with one logit per label, batch statistics frozen."""
    import torch
    from torch import nn

    from sk_posters._features._efficientnet import (
        BACKBONES,
        HEAD_WIDTH,
        iterate_convolutions,
    )

    class Convolution(nn.Module):
        def __init__(self, each):
            super().__init__()
            self.each = each
            groups = each.n_in if each.depthwise else 1
            options = {"groups": groups, "padding": each.kernel // 2, "bias": False}
            self.convolution = nn.Conv2d(
                *(each.n_in, each.n_out, each.kernel, each.stride), **options
            )
            self.norm = nn.BatchNorm2d(each.n_out, eps=1e-3)

        def forward(self, x):
            x = self.norm(self.convolution(x))
            return nn.functional.relu6(x) if self.each.activated else x

    class Lite0(nn.Module):
        def __init__(self):
            super().__init__()
            table = iterate_convolutions(BACKBONES["efficientnet_lite0"].stages)
            self.parts = nn.ModuleList(map(Convolution, table))
            self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(HEAD_WIDTH, n_labels))

        def train(self, mode=True):
            super().train(mode)
            for part in self.parts:
                part.norm.eval()
            return self

        def forward(self, x):
            for part in self.parts:
                if part.each.opens:
                    first = x
                x = part(x)
                if part.each.adds_input:
                    x = x + first
            return self.head(torch.mean(x, (2, 3)))

    return Lite0()


def limit(job):
    """Time a matrix product, the copying of a batch, and what they allow at best."""
    import torch
    from bench_step import flops_per_sample

    from sk_posters import PosterClassifier

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, target = random_batches(job)
    x = torch.from_numpy((images * 255).astype(np.uint8))
    x = x.pin_memory() if device == "cuda" else x
    side = MATRIX if device == "cuda" else MATRIX // 8
    matrix = torch.rand(side, side, device=device, dtype=getattr(torch, job.precision))
    torch.set_float32_matmul_precision("high")  # TensorFloat-32, as convolutions.

    def wait(result):
        return float(result.flatten()[0])

    functions = {
        "product": lambda: wait(matrix @ matrix),
        "copy": lambda: wait(x.to(device)),
    }
    seconds = seconds_in_turn(functions, job.steps)
    speed = 2 * side**3 / seconds["product"]
    classifier = PosterClassifier(random_state=0).initialize(images, target)
    needed = flops_per_sample(classifier.model_) * len(images)
    return {
        "speed of a matrix product, TFLOP/s": speed / 1e12,
        "arithmetic of a tutorial's step at that speed, ms": 1000 * needed / speed,
        "copying a batch to the card, ms": 1000 * seconds["copy"],
    }


# -- features ------------------------------------------------------------------------


def features_of_onnxruntime(job):
    """Encode images in memory on the CPU, and on the GPU if onnxruntime has one."""
    if importlib.util.find_spec("torch"):
        import torch  # noqa: F401  Its CUDA libraries serve onnxruntime as well.

    from sk_posters import PosterEncoder

    images = images_for_features(job)
    on_cpu = PosterEncoder(device="cpu")
    encoder = PosterEncoder(batch_size=64, n_jobs=2)
    seconds = seconds_in_turn(
        {
            "cpu": lambda: on_cpu.fit_transform(images),
            "auto": lambda: encoder.fit_transform(images),
        },
        rounds=3,
    )
    expected, features = on_cpu.transform(images), encoder.transform(images)
    return {
        "images per second, CPU": len(images) / seconds["cpu"],
        f"images per second, {encoder.devices_[0]}": len(images) / seconds["auto"],
        "largest difference of a feature": float(np.abs(features - expected).max()),
        "largest feature": float(expected.max()),
    }


def features_of_keras(job):
    """Encode images with a network of Keras, wherever Keras puts it."""
    from sk_posters import PosterEncoder
    from sk_posters._networks._backbone_models import keras_backbone

    images = images_for_features(job)
    expected = PosterEncoder(device="cpu").fit_transform(images)
    network = keras_backbone("efficientnet_lite0", images.shape[1:])
    encoder = PosterEncoder(network, mean=0, std=255, batch_size=64, n_jobs=2)
    features = encoder.fit_transform(images)
    started = time.perf_counter()
    encoder.transform(images)
    seconds = time.perf_counter() - started
    return {
        f"images per second, {encoder.devices_[0]}": len(images) / seconds,
        "largest difference of a feature": float(np.abs(features - expected).max()),
    }


def images_for_features(job):
    """Return images of a poster's shape, smooth enough to look like pictures."""
    n_images = 4 * job.batch_size
    coarse = np.random.default_rng(0).integers(0, 256, (n_images, 20, 14, 3), np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def main(arguments=None):
    options = parser(
        __doc__, data=False, repeat=1, image_size=350, batch_size=32, steps=40
    )
    options.add_argument("--only", help="run only the sides whose name holds this text")
    options.add_argument("--cpu", action="store_true", help="run without a GPU as well")
    options.add_argument("--compare", metavar="FILE", help="(used by the sides)")
    options.set_defaults(n_labels=N_LABELS)
    options = parsed(options, arguments)
    if options.compare:
        print_difference(options.compare)
        return
    gpus = list_gpu_names()
    if not gpus and not options.cpu:
        raise SystemExit(
            "bench_gpu.py measures on an NVIDIA GPU, and nvidia-smi finds none. --cpu "
            "runs it on the CPU."
        )
    print("GPU:", ", ".join(gpus) or "none")
    sides = list_sides(options)
    runs = in_turn(__file__, sides, job_of(options), options.repeat)
    report(__file__, options, runs, derived=compare_sides(runs))


def compare_sides(runs):
    """Return the time of our steps in units of plain PyTorch's of the same kind."""
    derived = {}
    for name in runs:
        kind, _, side = name.partition(": ")
        eager = f"{kind}: plain PyTorch, eager"
        if side.startswith("ours") and eager in runs:
            ratio = median(runs, name, STEP) / median(runs, eager, STEP)
            derived[f"{name} ÷ plain PyTorch, eager"] = ratio
    return derived


if __name__ == "__main__":
    main()
