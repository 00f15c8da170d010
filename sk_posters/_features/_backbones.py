"""What a user names as backbone, and the networks that run it on onnxruntime.

Each network has a `prefix` for the names of its features, `parts` (what its pooling
concatenates; one empty name for feature vectors), their `widths`, a `fingerprint` that
is equal for equal features, `features(batch)` of shape (n, sum(widths)), and
`maps(batch)`, for each part the maps of shape (n, rows, columns, n_channels) that it
is pooled from, both float32; and the `device` that it runs on, "cpu" or "cuda".

On a CPU, images go through one by one. That is faster there than in batches, whose
feature maps fit no processor cache; and no image can change the last bits of another
one's features. A GPU gets whole batches.
"""

import os
import sys
import warnings
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sk_posters._base._optional import import_optional
from sk_posters._base._suggest import suggest
from sk_posters._base._threads import ForkSafeLock
from sk_posters._features._efficientnet import (
    BACKBONES,
    COVARYING,
    LAST_MAP,
    backbone_onnx,
)
from sk_posters._features._hub import PREFIX, fetch, parse_address, pin
from sk_posters._features._onnx_files import read_onnx, stamp_onnx
from sk_posters._features._pooling import (
    PARTS,
    check_output,
    check_parts,
    check_scaling,
    check_size,
    count_pooled,
    pool,
    refuse_cls,
    scale_pixels,
)

__all__ = [
    "KERAS_NAMES",
    "POOLINGS",
    "BackboneNetwork",
    "ImageSettings",
    "OnnxNetwork",
    "as_bytes",
    "check_settings",
    "choose_precision",
    "count_features",
    "find_image_settings",
    "list_parts",
    "list_sources",
    "make_graph",
    "make_networks",
    "pin_backbones",
]

# What images are resized to and how, unless a user or a network of the hub says more.
IMAGE_SIZE, INTERPOLATION = (320, 224), "bilinear"

POOLINGS = {"auto", *PARTS}
# What "auto" is for the networks that are shipped; averages for others.
SHIPPED_PARTS = ("avg", "covariance")

# The largest backbone takes 25 MB.
N_SESSIONS = 4
# Where onnxruntime looks for weights that it is not given.
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
NOWHERE = os.path.join(os.devnull, "weights")

# Names of the outputs of the backbones' graphs.
OUTPUTS = {"avg": "average", "max": "maximum"} | {each: each for each in COVARYING}

# Names of the maps that these are pooled from, where that is not the last one.
MAPS = {each: f"{each}_map" for each in COVARYING}

# To be raised whenever features in eight bits change.
INT8 = "int8 1"

# Outputs that transformers names so, the one that is meant for other tasks first.
FEATURES = ("image_embeds", "pooler_output", "last_hidden_state")
TOKENS_OR_MAPS = "last_hidden_state"
CLASS_SCORES = "logits"

INPUT_TYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}

CUDA = "CUDAExecutionProvider"
# TensorFloat-32 rounds each factor to 10 bits: with it, features of the same network in
# Keras differ from those of a CPU by 3e-2.
CUDA_OPTIONS = {"use_tf32": "0"}

# A process that is forked while a session is half opened would wait for ever.
_opening = ForkSafeLock(wait=True)


class BackboneNetwork:
    """A backbone that is shipped; it scales its pixels itself."""

    def __init__(self, name, parts, device="auto", precision="auto"):
        self.prefix = self._name = name
        precision = choose_precision(precision, name, device)
        self._wanted = self.device = _choose_device(device, name)
        if precision == "int8" and self.device != "cpu":
            self._wanted = self.device = "cpu"
            warnings.warn(
                f"The backbone {name!r} was fitted in int8 and runs on the CPU, though "
                'there is a GPU. Fit the encoder again with precision="auto" to use it',
                stacklevel=2,
            )
        self._graph = f"{name} {precision}"
        if self._wanted != "cpu":
            self.device = _find_device(_open(self._graph, None, self._wanted).session)
        self.parts = parts
        if "cls" in parts:
            raise refuse_cls(f"the backbone {name!r}")
        backbone = BACKBONES[name]
        self.widths = [_count_part(backbone, part) for part in self.parts]
        runtime = _describe(_runtime(name), self.device)
        kind = "" if precision == "float32" else f" {INT8}"
        self.fingerprint = f"{backbone!r} {runtime}{kind}"

    def features(self, batch):
        """Return the features of images, uint8 or floats from 0 to 1."""
        outputs = [OUTPUTS[part] for part in self.parts]
        return np.concatenate(self._run(outputs, batch), axis=1)

    def maps(self, batch):
        """Return, for each part, the feature maps that it is pooled from."""
        names = [MAPS.get(part, LAST_MAP) for part in self.parts]
        distinct = list(dict.fromkeys(names))
        found = dict(zip(distinct, self._run(distinct, batch), strict=True))
        return [found[name].transpose(0, 2, 3, 1) for name in names]

    def _run(self, outputs, batch):
        session = _open(self._graph, None, self._wanted).session
        found = [
            session.run(outputs, {"images": images})
            for images in _divide(as_bytes(batch), self.device)
        ]
        return [np.concatenate(part) for part in zip(*found, strict=True)]


def _count_part(backbone, part):
    """Return the number of features of a part."""
    if part in COVARYING:
        return count_pooled("covariance", backbone.count_covarying(part))
    return backbone.n_features


class OnnxNetwork:
    """Any ONNX file that takes one batch of images."""

    def __init__(
        self,
        path,
        parts,
        image_size,
        *,
        mean=None,
        std=None,
        channel_order=None,
        output=None,
        device="auto",
        hub=None,
        address=None,
    ):
        self._name = path if address is None else address
        runtime = _runtime(self._name)
        self.path = os.path.abspath(path)
        self.prefix = Path(path).stem if hub is None else hub.name
        self._wanted = _choose_device(device, self._name)
        self._weights = () if hub is None else hub.weights
        self._stamp = stamp_onnx(self.path, self._weights)
        # Of the bytes that the session is made from: the file may change meanwhile.
        session, self._digest = self._open()
        self.device = _find_device(session)
        self._input = _find_input(session, self._name)
        self._dtype = INPUT_TYPES[self._input.type]
        self._order = channel_order or _find_channel_order(self._input, self._name)
        self._scaling = self._find_scaling(mean, std, hub and hub.preprocessor)
        self._output = _choose_output(session, output, self._name)
        height, width = image_size
        check_size(image_size, self._sides(), repr(self._name))
        # Shapes in the file may be unknown or wrong, so one image is run.
        (first,) = self._run(np.zeros((1, height, width, 3), np.uint8))
        check_output(first)
        self.parts = check_parts(parts, first.ndim, f"{self._output!r}")
        n_channels = first.shape[self._channel_axis() if first.ndim == 4 else -1]
        self.widths = [count_pooled(part, n_channels) for part in self.parts]
        pool(first, self.parts, self._axes())  # Refuses what cannot be pooled.
        described = (
            *(self._digest, self._order, self._output),
            *(x.tolist() for x in self._scaling or ()),
            # Equal files of two commits are told apart, as their addresses are.
            *(() if address is None else (address,)),
        )
        self.fingerprint = f"{described!r} {_describe(runtime, self.device)}"

    def features(self, batch):
        """Return the features of images, uint8 or floats from 0 to 1."""
        rows = [pool(each, self.parts, self._axes()) for each in self._run(batch)]
        return np.concatenate(rows)

    def maps(self, batch):
        """Return, for each part, the feature maps that it is pooled from."""
        output = np.concatenate(list(self._run(batch)))
        if self._order == "NCHW" and output.ndim == 4:
            output = output.transpose(0, 2, 3, 1)
        return [output.astype(np.float32, copy=False)] * len(self.parts)

    def _run(self, batch):
        """Yield the output for each part of a batch that goes through at once."""
        takes_any = self._input.shape[0] != 1
        for images in _divide(batch, self.device if takes_any else "cpu"):
            yield self._run_at_once(images)

    def _open(self):
        return _open(self.path, self._stamp, self._wanted, self._weights)

    def _run_at_once(self, batch):
        session, digest = self._open()
        if digest != self._digest:
            raise ValueError(
                f"The ONNX file {self._name!r}, or its weights, changed while it was "
                "used: call again"
            )
        if self._scaling is None:
            pixels = as_bytes(batch)
        else:
            pixels = scale_pixels(batch, *self._scaling).astype(self._dtype, copy=False)
        if self._order == "NCHW":
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        try:
            return session.run([self._output], {self._input.name: pixels})[0]
        except Exception as error:  # Of classes that onnxruntime does not document.
            raise ValueError(
                f"The ONNX file {self._name!r} cannot be run on pixels of shape "
                f"{pixels.shape}: {error}. Export it again, or change image_size"
            ) from error

    def _channel_axis(self):
        return 3 if self._order == "NHWC" else 1

    def _axes(self):
        return (1, 2) if self._order == "NHWC" else (2, 3)

    def _sides(self):
        return [self._input.shape[axis] for axis in self._axes()]

    def _find_scaling(self, mean, std, preprocessor):
        """Return mean and std as given, or else as the preprocessor has them."""
        if self._dtype != np.uint8:
            if preprocessor is not None and (mean is None or std is None):
                found = preprocessor.find_scaling()
                mean = found[0] if mean is None else mean
                std = found[1] if std is None else std
            return check_scaling(mean, std, f"The ONNX file {self._name!r}")
        if mean is not None or std is not None:
            raise ValueError(
                f"The ONNX file {self._name!r} takes uint8 pixels as they are: leave "
                f"mean and std at None; got mean={mean!r}, std={std!r}"
            )
        return None


def _runtime(what):
    return import_optional(
        "onnxruntime", extra="pretrained", purpose=f"The backbone {what!r}"
    )


def _describe(runtime, device):
    """Return what the last bits of features depend on beside network and image."""
    place = "" if device == "cpu" else f" {device}"
    return f"onnxruntime {runtime.__version__}{place}"


def _divide(batch, device):
    """Return the parts of a batch that go through a network at once."""
    if device == "cuda":
        return [batch]
    return [batch[row : row + 1] for row in range(len(batch))]


def choose_precision(precision, backbone, device):
    """Return what shipped networks compute with, "float32" or "int8"; or raise."""
    specs = _list_specs(backbone)
    others = [spec for spec in specs if _find_kind(spec) != "backbone"]
    if precision == "int8" and others:
        raise ValueError(
            f'precision="int8" is for {", ".join(map(repr, BACKBONES))}; other '
            "networks run as they are, quantised ONNX files too: set precision to "
            f'"auto" or "float32"; got the backbone {backbone!r}'
        )
    if precision == "int8" and device == "cuda":
        raise ValueError(
            'precision="int8" is for the CPU: set device to "auto" or "cpu", or '
            'precision to "auto"; got device="cuda"'
        )
    if precision != "auto":
        return precision
    if len(others) == len(specs) or _choose_device(device, specs[0]) != "cpu":
        return "float32"
    return "int8"


def _choose_device(device, what):
    """Return the device to try, "cpu" where onnxruntime has no other; or raise."""
    if device == "cpu":
        return device
    offered = CUDA in _runtime(what).get_available_providers()
    if device == "cuda" and not offered:
        raise ImportError(
            'device="cuda" needs an onnxruntime with NVIDIA\'s CUDA, and the one that '
            "is installed has none. Install it in place of the other: pip uninstall "
            "onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'; or leave "
            'device="auto", which takes the CPU'
        )
    return device if offered else "cpu"


def _find_device(session):
    return "cuda" if session.get_providers()[0] == CUDA else "cpu"


class _Opened(NamedTuple):
    """A session, and a checksum of the files that it was made from."""

    session: object
    digest: str | None


def _open(source, stamp, device, weights=()):
    """Return the opened session of a backbone (without stamp) or of a file."""
    with _opening:  # Or else two threads would open the same one.
        return _session(source, stamp, device, weights, os.getpid())


@lru_cache(N_SESSIONS)
def _session(source, stamp, device, weights, process):
    """Open a session, of this process's own, whatever it was forked from."""
    if stamp is None:
        return _Opened(_open_somewhere(source, None, device), None)
    files = read_onnx(source, weights)
    return _Opened(_open_somewhere(source, files, device), files.digest)


def _open_somewhere(source, files, device):
    """Open a session on the GPU where that is wanted and possible, or on the CPU."""
    if device == "cpu":
        return _open_on(source, files, ["CPUExecutionProvider"])
    _runtime(source).preload_dlls()
    problem = "its libraries cannot be loaded"
    try:
        providers = [(CUDA, CUDA_OPTIONS), "CPUExecutionProvider"]
        session = _open_on(source, files, providers)
        if _find_device(session) == "cuda":
            return session
    except Exception as error:  # Of classes that onnxruntime does not document.
        problem = error
    session = _open_on(source, files, ["CPUExecutionProvider"])
    text = f"onnxruntime cannot use the GPU ({problem}). Its CUDA and cuDNN come with: "
    text += "pip install 'onnxruntime-gpu[cuda,cudnn]'"
    if device == "cuda":
        raise RuntimeError(f'device="cuda": {text}; or set device="cpu"')
    warnings.warn(f'device="auto" runs on the CPU: {text}', stacklevel=2)
    return session


def _open_on(source, files, providers):
    """Open a session on the first of some providers that can be used."""
    runtime = _runtime(source)
    options = runtime.SessionOptions()
    # The last bits of a result depend on this number, so it is the same everywhere:
    # threads that each work on an image of their own are as fast.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = make_graph(*source.split()) if files is None else files.model
    if files is not None and files.weights:
        # In memory, as they were read: onnxruntime would read them again, and refuses
        # links to other folders, where huggingface_hub may keep them.
        take = getattr(options, "add_external_initializers_from_files_in_memory", None)
        if take is None:  # Older versions read them, and follow links.
            model = source
        else:
            contents = list(files.weights.values())
            take(list(files.weights), contents, list(map(len, contents)))
    if model is not source:
        # Or else it would take weights that were not found here, in whatever way a file
        # names them, from the current folder.
        options.add_session_config_entry(WEIGHTS_FOLDER, NOWHERE)
    try:
        return runtime.InferenceSession(
            model, options, providers=providers, enable_fallback=0
        )
    except Exception as error:  # Of classes that onnxruntime does not document.
        if files is None:
            raise
        raise ValueError(
            f"{source!r} cannot be opened as an ONNX model, it may be damaged or need "
            f"a newer onnxruntime than {runtime.__version__}: {error}"
        ) from error


def make_graph(name, precision):
    """Return a shipped backbone as the bytes of an ONNX model."""
    if precision == "float32":
        return backbone_onnx(name)
    # Imported here, because few need it.
    from sk_posters._features._quantized import quantized_onnx

    return quantized_onnx(name)


def _find_input(session, path):
    inputs = session.get_inputs()
    if (
        len(inputs) == 1
        and len(inputs[0].shape) == 4
        and inputs[0].type in INPUT_TYPES
        and inputs[0].shape[0] in (1, None, *_names([inputs[0].shape[0]]))
    ):
        return inputs[0]
    listed = ", ".join(f"{x.name!r} {x.type} {x.shape}" for x in inputs)
    if any(x.name == "input_ids" for x in inputs):
        raise ValueError(
            f"The ONNX file {path!r} takes text beside images; its inputs are "
            f"{listed}. Give the image tower alone as backbone, which is "
            "vision_model.onnx where both are exported, as in "
            f"{PREFIX}OWNER/NAME/onnx/vision_model.onnx"
        )
    raise ValueError(
        f"The ONNX file {path!r} must have one input, a batch of images: rank 4, of "
        "type uint8, float or float16, and of any number of images or one; its inputs "
        f"are {listed or 'none'}. Export the part that takes pixels alone, with a "
        "dynamic first axis"
    )


def _names(shape):
    return [side for side in shape if isinstance(side, str)]


def _find_channel_order(described, path):
    last, first = described.shape[3] == 3, described.shape[1] == 3
    if last == first and described.name == "pixel_values":
        return "NCHW"  # The habit of transformers, whose exports leave shapes open.
    if last == first:
        raise ValueError(
            f"The shape {described.shape} of the input of {path!r} does not tell where "
            'the three channels are: set channel_order to "NHWC" or "NCHW"'
        )
    return "NHWC" if last else "NCHW"


def _choose_output(session, output, path):
    ranks = {each.name: len(each.shape) for each in session.get_outputs()}
    names = list(ranks)
    if output is None and names == [CLASS_SCORES] and _is_address(path):
        raise ValueError(
            f"{path!r} gives the scores of its classes ({CLASS_SCORES}) and no "
            f'features. Set output="{CLASS_SCORES}" to take these scores as features; '
            "or export the features: optimum-cli export onnx --model OWNER/NAME --task "
            "feature-extraction FOLDER, and give the path of the file as backbone"
        )
    if output is None and len(names) == 1:
        return names[0]
    if output is None and ranks.get(TOKENS_OR_MAPS) == 4:
        return TOKENS_OR_MAPS  # Pooled here, as `pooling` says.
    if output is None and not ranks.keys().isdisjoint(FEATURES):
        return next(name for name in FEATURES if name in names)
    if isinstance(output, str) and output in names:
        return output
    if isinstance(output, int) and 0 <= output < len(names):
        return names[output]
    raise ValueError(
        f"output must be one of the outputs {names!r} of {path!r}, by name or by "
        f"number from 0; got {output!r}"
    )


# Listed, so that a wrong name is reported without importing Keras.
KERAS_NAMES = (
    *("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge"),
    *("ConvNeXtXLarge", "DenseNet121", "DenseNet169", "DenseNet201"),
    *("EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3"),
    *("EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7"),
    *("EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3"),
    *("EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L", "InceptionResNetV2"),
    *("InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large"),
    *("MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet50", "ResNet50V2"),
    *("ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "VGG16", "VGG19"),
    "Xception",
)


ALLOWED = (
    f"backbone must be {', '.join(map(repr, BACKBONES))}, the path of an .onnx or a "
    ".keras file, the address of a model on the Hugging Face hub such as "
    '"hf://OWNER/NAME", a name of keras.applications such as "MobileNetV2", a Keras '
    "model, or a list of these"
)


class ImageSettings(NamedTuple):
    """How files become images, as `decode_image` takes it."""

    image_size: tuple
    interpolation: str
    crop_from: int | tuple | None


def _list_specs(backbone):
    return list(backbone) if isinstance(backbone, list | tuple) else [backbone]


def _is_address(backbone):
    """Return whether a backbone is the address of a model on the hub."""
    return isinstance(backbone, str) and backbone.startswith(PREFIX)


def pin_backbones(backbone):
    """Return the pinned address for each address of a hub among backbones."""
    return {spec: pin(spec) for spec in _list_specs(backbone) if _is_address(spec)}


def list_parts(pooling, is_shipped=False):
    """Return what a pooling concatenates; raise if there is no such one."""
    if isinstance(pooling, str) and pooling == "auto":
        return SHIPPED_PARTS if is_shipped else ("avg",)
    kinds = [pooling] if isinstance(pooling, str) else list(pooling)
    for kind in kinds:
        if not isinstance(kind, str) or kind not in PARTS:
            hint = suggest(kind, PARTS) if isinstance(kind, str) else ""
            raise _refuse_pooling(f"got {pooling!r}{hint}")
    parts = tuple(part for kind in kinds for part in PARTS[kind])
    if not parts or len(set(parts)) < len(parts):
        raise _refuse_pooling(f"each at most once and one at least; got {pooling!r}")
    return parts


def _refuse_pooling(text):
    return ValueError(
        f'pooling must be "auto", {", ".join(map(repr, PARTS))}, or a tuple of several '
        f"of them, {text}"
    )


def count_features(backbone, pooling):
    """Return the number of features of backbones, None where a network must tell."""
    specs = _list_specs(backbone)
    if not all(isinstance(spec, str) and spec in BACKBONES for spec in specs):
        return None
    return sum(
        _count_part(BACKBONES[spec], part)
        for spec in specs
        for part in list_parts(pooling, is_shipped=True)
    )


def list_sources(backbone):
    """Return files that are read, and networks that are downloaded where needed."""
    specs = [
        os.fspath(spec)
        for spec in _list_specs(backbone)
        if isinstance(spec, str | os.PathLike) and spec not in BACKBONES
    ]
    fetched = [spec for spec in specs if _is_address(spec) or spec in KERAS_NAMES]
    return [spec for spec in specs if spec not in fetched], fetched


def find_image_settings(backbone, image_size, interpolation, pinned):
    """Return what a user has set, or else what the hub's networks or we prefer."""
    preprocessors = [
        found.preprocessor
        for found in (
            fetch(pin(pinned.get(spec, spec)))
            for spec in _list_specs(backbone)
            if _is_address(spec)
        )
        if found.preprocessor is not None
    ]
    crop_from = None
    if image_size is None:
        found = [each.find_size() for each in preprocessors] or [(IMAGE_SIZE, None)]
        image_size, crop_from = _find_common(found, "image_size", backbone)
    if interpolation is None:
        found = [each.find_interpolation() for each in preprocessors]
        interpolation = _find_common(
            found or [INTERPOLATION], "interpolation", backbone
        )
    return ImageSettings(image_size, interpolation, crop_from)


def _find_common(found, parameter, backbone):
    if len(set(found)) > 1:
        raise ValueError(
            f"{parameter} must be set where networks of the hub prefer different ones; "
            f"{backbone!r} prefer {', '.join(map(repr, found))}. Or put each into a "
            "PosterEncoder of its own, in a FeatureUnion"
        )
    return found[0]


def make_networks(
    backbone,
    *,
    pooling,
    image_size,
    mean=None,
    std=None,
    channel_order=None,
    output=None,
    device="auto",
    precision="float32",
    pinned=None,
):
    """Return a network for each backbone that a user names, with distinct prefixes."""
    specs = _list_specs(backbone)
    kinds = [_find_kind(spec) for spec in specs]
    if not kinds:
        raise ValueError(f"{ALLOWED}; got {backbone!r}")
    given = _list_given(mean, std, channel_order, output)
    _refuse_unused(given, backbone)
    parts = list_parts(pooling)
    networks = [
        BackboneNetwork(spec, list_parts(pooling, is_shipped=True), device, precision)
        if kind == "backbone"
        else _make_network(spec, kind, parts, image_size, device, given, pinned or {})
        for spec, kind in zip(specs, kinds, strict=True)
    ]
    return _number_prefixes(networks)


def _find_kind(spec):
    if isinstance(spec, str | os.PathLike):
        text = os.fspath(spec)
        if _is_address(spec):
            return "address"
        if text in BACKBONES:
            return "backbone"
        if text in KERAS_NAMES:
            return "application"
        if text.endswith(".keras"):
            return "keras file"
        if text.endswith(".onnx") or os.path.isfile(text):
            return "onnx file"
        hint = suggest(text, [*BACKBONES, *KERAS_NAMES])
        raise ValueError(f"{ALLOWED}; got {text!r}{hint}")
    # A Keras model exists only where Keras has been imported.
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(spec, keras.Model):
        return "model"
    raise ValueError(f"{ALLOWED}; got {spec!r}")


def _make_network(spec, kind, parts, image_size, device, given, pinned):
    if kind == "address":
        address = pin(pinned.get(spec, spec))
        given = given | {"address": address, "hub": fetch(address), "device": device}
        return OnnxNetwork(given["hub"].path, parts, image_size, **given)
    if kind == "onnx file":
        path = os.fspath(spec)
        return OnnxNetwork(path, parts, image_size, device=device, **given)
    # Imported here, because TensorFlow comes along.
    from sk_posters._features._keras_network import (
        KerasNetwork,
        check_device,
        load_application,
        load_network,
    )

    check_device(device, spec)
    if kind == "application":
        model, preprocess = load_application(spec)
        return KerasNetwork(model, spec, parts, image_size, preprocess=preprocess)
    given = {name: given[name] for name in given if name != "channel_order"}
    if kind == "model":
        return KerasNetwork(spec, spec.name, parts, image_size, **given)
    path = os.path.abspath(spec)
    return KerasNetwork(load_network(path), Path(path).stem, parts, image_size, **given)


def check_settings(encoder):
    """Raise if parameters do not fit each other, as far as no network is opened."""
    specs = _list_specs(encoder.backbone)
    shipped = [spec for spec in specs if spec in BACKBONES]
    for spec in filter(_is_address, specs):
        parse_address(spec)
    given = (encoder.mean, encoder.std, encoder.channel_order, encoder.output)
    _refuse_unused(_list_given(*given), encoder.backbone)
    if shipped and "cls" in list_parts(encoder.pooling, is_shipped=True):
        raise refuse_cls(f"the backbone {shipped[0]!r}")
    if encoder.precision == "int8":
        choose_precision(encoder.precision, encoder.backbone, encoder.device)


def _list_given(mean, std, channel_order, output):
    """Return the settings that are for some networks only, without those left open."""
    settings = {"mean": mean, "std": std}
    settings |= {"channel_order": channel_order, "output": output}
    return {name: value for name, value in settings.items() if value is not None}


def _refuse_unused(given, backbone):
    """Refuse settings of a network where all come with their own."""
    named = (*BACKBONES, *KERAS_NAMES)
    if given and all(
        isinstance(spec, str) and spec in named for spec in _list_specs(backbone)
    ):
        raise ValueError(
            f"{', '.join(given)} can be set for files and Keras models only, since "
            f"{backbone!r} scales its own pixels: leave them at None; got {given!r}"
        )


def _number_prefixes(networks):
    """Number the prefixes that occur twice, so that each column has its own name."""
    seen = set()
    for network in networks:
        prefix, number = network.prefix, 2
        while network.prefix in seen:
            network.prefix = f"{prefix}_{number}"
            number += 1
        seen.add(network.prefix)
    return networks


def as_bytes(batch):
    """Return images as uint8, for a network that scales its pixels itself."""
    if batch.dtype == np.uint8:
        return np.ascontiguousarray(batch)
    return np.rint(batch * np.float32(255)).astype(np.uint8)
