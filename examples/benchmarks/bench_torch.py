"""How fast is the same network in PyTorch, and how fast is it here?

One training step with Adam on batches in memory: PyTorch with channels last, eager and
through torch.compile, against PosterClassifier. Ours is timed through `fit` on an array
of some batches, feeding included (the median epoch after the first); PyTorch repeats
the bare step on one batch that lies ready, which is in its favour. Needs PyTorch:
pip install torch
"""

import importlib.util

import numpy as np
from _common import N_LABELS, Side, in_turn, job_of, median, parsed, parser, report
from _side import epoch_clock, onednn_is_on, random_batches, seconds_in_turn

SIDES = {
    "PyTorch, eager": Side("torch_eager"),
    "PyTorch, compiled": Side("torch_compiled"),
    "ours": Side("ours"),
}
FIGURE = "ms per training sample"
N_BATCHES = 4


def torch_eager(job):
    return torch_step(job, compiled=False)


def torch_compiled(job):
    return torch_step(job, compiled=True)


def torch_step(job, *, compiled):
    """Time training steps in PyTorch."""
    import torch

    images, target = random_batches(job)
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(target.astype(np.float32))
    model = torch_network(job.image_size, target.shape[1])
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters())
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.binary_cross_entropy(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    seconds = seconds_in_turn({"step": step}, job.steps, warm_up=3)["step"]
    n_parameters = sum(each.numel() for each in model.parameters())
    return {FIGURE: 1000 * seconds / len(x), "parameters": n_parameters}


def torch_network(side, n_labels):
    """Build the tutorial's network, with Keras's settings of normalisation."""
    from torch import nn

    layers, channels = [], 3
    for filters, rate in [(16, 0.3), (32, 0.3), (64, 0.4), (128, 0.5)]:
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU()]
        layers += [nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)]
        layers += [nn.MaxPool2d(2), nn.Dropout(rate)]
        channels, side = filters, (side - 2) // 2
    layers.append(nn.Flatten())
    width = channels * side * side
    for _ in range(2):
        layers += [nn.Linear(width, 128), nn.ReLU()]
        layers += [nn.BatchNorm1d(128, eps=1e-3, momentum=0.01), nn.Dropout(0.5)]
        width = 128
    return nn.Sequential(*layers, nn.Linear(width, n_labels), nn.Sigmoid())


def ours(job):
    from sk_posters import PosterClassifier

    images, target = random_batches(job, N_BATCHES)
    clock = epoch_clock()
    n_epochs = 1 + -(-job.steps // N_BATCHES)
    classifier = PosterClassifier(
        epochs=max(n_epochs, 2),
        batch_size=job.batch_size,
        callbacks=[clock],
        random_state=0,
    )
    classifier.fit(images, target)
    weights = classifier.model_.trainable_weights
    return {
        FIGURE: 1000 * float(np.median(clock.seconds)) / len(images),
        "parameters": sum(int(np.prod(weight.shape)) for weight in weights),
        "oneDNN": onednn_is_on(),
    }


def main(arguments=None):
    options = parser(
        __doc__, data=False, repeat=2, image_size=350, batch_size=32, steps=12
    )
    options.set_defaults(n_labels=N_LABELS)
    options = parsed(options, arguments)
    if importlib.util.find_spec("torch") is None:
        raise SystemExit(
            "bench_torch.py needs PyTorch, which is not installed. Install it with: "
            "pip install torch"
        )
    runs = in_turn(__file__, SIDES, job_of(options), options.repeat)
    divisor = median(runs, "ours", FIGURE)
    derived = {
        f"{name} ÷ ours": median(runs, name, FIGURE) / divisor
        for name in SIDES
        if name != "ours"
    }
    report(__file__, options, runs, reference="ours", derived=derived)


if __name__ == "__main__":
    main()
