"""The table of EfficientNet-Lite's stages, from which all its networks are made."""

import math
from typing import NamedTuple

__all__ = [
    "HEAD_WIDTH",
    "NORM_EPSILON",
    "Convolution",
    "Stage",
    "convolutions",
    "scaled_stages",
]

STEM_WIDTH = 32
HEAD_WIDTH = 1280
NORM_EPSILON = 1e-3


class Stage(NamedTuple):
    """Some blocks in a row that give feature maps of one size."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


BASE_STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, width=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, width=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, width=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, width=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, width=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, width=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, width=320),
)


class Convolution(NamedTuple):
    """One convolution with its batch normalisation, and what goes on around it."""

    name: str
    source: str
    norm_source: str
    kernel: int
    stride: int
    n_in: int
    n_out: int
    depthwise: bool = False
    activated: bool = True
    opens: bool = False
    adds_input: bool = False

    @property
    def block(self):
        """Name of the block that it is a part of."""
        return self.name.partition("_")[0]


def scaled_stages(width, depth):
    """Return the stages of a wider and deeper network of the family."""
    first, *middle, last = (
        stage._replace(width=int(stage.width * width + 4) // 8 * 8)
        for stage in BASE_STAGES
    )
    deeper = [
        stage._replace(repeats=math.ceil(stage.repeats * depth)) for stage in middle
    ]
    return (first, *deeper, last)


def convolutions(stages):
    """Yield the convolutions of a network in the order in which they are computed."""
    yield Convolution("stem", "_conv_stem", "_bn0", 3, 2, 3, STEM_WIDTH)
    width = STEM_WIDTH
    index = 0
    for number, stage in enumerate(stages, start=1):
        for repeat in range(stage.repeats):
            name = f"block{number}{'abcdefghij'[repeat]}"
            stride = stage.stride if repeat == 0 else 1
            yield from _block(stage, name, f"_blocks.{index}", stride, width)
            width = stage.width
            index += 1
    yield Convolution("head", "_conv_head", "_bn1", 1, 1, width, HEAD_WIDTH)


def _block(stage, name, source, stride, n_in):
    """Yield the convolutions of one block."""
    inside = n_in * stage.expansion
    expands = stage.expansion > 1
    if expands:
        yield Convolution(
            f"{name}_expand",
            f"{source}._expand_conv",
            f"{source}._bn0",
            kernel=1,
            stride=1,
            n_in=n_in,
            n_out=inside,
            opens=True,
        )
    yield Convolution(
        f"{name}_depthwise",
        f"{source}._depthwise_conv",
        f"{source}._bn1",
        stage.kernel,
        stride,
        n_in=inside,
        n_out=inside,
        depthwise=True,
        opens=not expands,
    )
    yield Convolution(
        f"{name}_project",
        f"{source}._project_conv",
        f"{source}._bn2",
        kernel=1,
        stride=1,
        n_in=inside,
        n_out=stage.width,
        activated=False,
        adds_input=stride == 1 and n_in == stage.width,
    )
