"""EfficientNet-Lite in eight bits: its table of stages as another ONNX graph.

Weights are int8 with a scale for each channel, feature maps uint8 with one scale.
onnxruntime fuses each convolution with the steps of quantisation around it. Sums of
products are whole numbers, so that they are equal on all processors, as long as none
overflows: those without the instructions for it (VNNI) add pairs of products in 16
bits, in all convolutions but the depthwise ones, and keep them there by saturation.
Weights are scaled so that no pair can get there.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from sk_posters._features._efficientnet import (
    backbone_onnx,
    fold_normalisation,
    iterate_convolutions,
    window,
)

__all__ = ["quantized_onnx"]

LEVELS = 255
TOP = 6  # Where ReLU6 ends.
# 255 * 128 is the most that 16 bits hold. Rounding may move each weight by another one.
MAX_PAIR = 128 - 2
MAX_WEIGHT = 127 - 1
SMALLEST_SCALE = 1e-6
PRECISION = 2**20


def quantized_onnx(name):
    """Return a backbone as the bytes of an ONNX model that computes in eight bits.

    Inputs and outputs are those of `backbone_onnx`.
    """
    return backbone_onnx(name, convolve=_convolve)


@cache
def load_ranges():
    """Return the ends of each map that ReLU6 does not bound, by backbone and name.

    From drawn posters, by ``examples/benchmarks/measure_ranges.py``.
    """
    return json.loads(Path(__file__).with_name("activation_ranges.json").read_text())


def _convolve(backbone, weights, nodes, constants):
    """Add the convolutions in eight bits; return the last map of each stage."""
    ranges = load_ranges()[backbone.name]
    constants |= {
        "images.scale": np.float32(1 / backbone.std),
        "images.zero": np.uint8(backbone.mean),
    }
    nodes.add("Transpose", ["images"], "channels_first", perm=[0, 3, 1, 2])
    latest = _restore("channels_first", "images", "scaled", nodes)
    scale, maps = constants["images.scale"], {}
    for each in iterate_convolutions(backbone.stages):
        if each.opens:
            block_input = latest
        inputs = _add_weights(each, scale, weights, nodes, constants)
        nodes.add("Conv", [latest, *inputs], f"{each.name}_conv", **window(each))
        limits = (0, TOP) if each.activated else ranges[each.name]
        latest, scale = _round(f"{each.name}_conv", limits, nodes, constants)
        if each.adds_input:
            output = nodes.add("Add", [latest, block_input], f"{each.block}_sum")
            latest, scale = _round(output, ranges[each.block], nodes, constants)
        maps[each.stage] = latest
    return maps


def _round(source, limits, nodes, constants):
    """Add a map's rounding to 256 values; return its name then, and their distance."""
    low, high = limits
    scale = np.float32((high - low) / LEVELS)
    constants[f"{source}.scale"] = scale
    constants[f"{source}.zero"] = np.uint8(np.rint(-low / scale))
    parameters = [f"{source}.scale", f"{source}.zero"]
    rounded = nodes.add("QuantizeLinear", [source, *parameters], f"{source}_bytes")
    return _restore(rounded, source, f"{source}_rounded", nodes), scale


def _restore(source, parameters, output, nodes, **attributes):
    """Add the conversion of whole numbers to what they stand for."""
    inputs = [source, f"{parameters}.scale", f"{parameters}.zero"]
    return nodes.add("DequantizeLinear", inputs, output, **attributes)


def _add_weights(each, scale, weights, nodes, constants):
    """Add kernel and bias of a convolution, whose input has a scale."""
    kernel, bias = fold_normalisation(weights, each.name)
    rounded, scales = round_kernel(kernel, each.depthwise)
    bias_scales = scales * np.float32(scale)
    numbers = {
        "weight": (rounded, scales),
        "bias": (np.rint(bias / bias_scales).astype(np.int32), bias_scales),
    }
    names = []
    for part, (values, scales) in numbers.items():
        name = f"{each.name}_conv.{part}"
        constants[f"{name}.rounded"] = values
        constants[f"{name}.scale"] = scales
        constants[f"{name}.zero"] = np.zeros(len(scales), values.dtype)
        names.append(_restore(f"{name}.rounded", name, name, nodes, axis=0))
    return names


def round_kernel(kernel, depthwise):
    """Return a kernel as int8, and the scale of each of its channels, float32.

    Where the sum of a channel's weights would be off by a half or more, the weights
    nearest to a half are rounded the other way, as in SQuant [1]_: what a map has in
    common at all places, and in all channels that ReLU6 keeps above 0, stays.

    References
    ----------
    .. [1] C. Guo et al., "SQuant: On-the-Fly Data-Free Quantization via Diagonal
       Hessian Approximation", ICLR 2022.
    """
    rows = kernel.reshape(len(kernel), -1)
    scales = _scale_rows(rows, depthwise)
    exact = rows / scales[:, None]
    rounded = np.rint(exact)
    errors = rounded - exact
    excess = np.rint(errors.sum(axis=1, keepdims=True))
    rounded -= np.sign(excess) * _find_largest(
        np.sign(excess) * errors, np.abs(excess).astype(int)
    )
    return rounded.astype(np.int8).reshape(kernel.shape), scales


def _find_largest(errors, counts):
    """Tell which are the largest in each row, of which there are `counts`."""
    # Whole numbers, so that equal errors come in the same order everywhere.
    keys = np.rint(errors * PRECISION).astype(np.int64)
    keys = keys * keys.shape[1] - np.arange(keys.shape[1])
    most = counts.max()
    # The largest of all that are not, too: for rows without any.
    keys = np.pad(keys, ((0, 0), (0, 1)), constant_values=np.iinfo(keys.dtype).max)
    tails = np.sort(np.partition(keys, -most - 1, axis=1)[:, -most - 1 :], axis=1)
    return keys[:, :-1] >= np.take_along_axis(tails, most - counts, axis=1)


def _scale_rows(rows, depthwise):
    """Return for each row what its whole numbers are to be multiplied with."""
    second, largest = np.partition(np.abs(rows), -2, axis=1)[:, -2:].T
    scales = largest / MAX_WEIGHT
    if not depthwise:
        scales = np.maximum(scales, (largest + second) / MAX_PAIR)
    return np.maximum(scales, SMALLEST_SCALE).astype(np.float32)
