"""From what a user names as backbone to the networks that run it."""

import difflib
import os
import sys
from pathlib import Path

from sk_posters._features._backbones import BACKBONES
from sk_posters._features._onnx_network import BackboneRunner, OnnxRunner

__all__ = ["KERAS_NAMES", "make_runners"]

# Written down, so that a wrong name is told without importing Keras.
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
    '.keras file, a name of keras.applications such as "MobileNetV2", a Keras model, '
    "or a list of these"
)


def make_runners(
    backbone,
    *,
    pooling,
    image_size,
    mean=None,
    std=None,
    channel_order=None,
    output=None,
):
    """Return the networks that a user names."""
    specs = backbone if isinstance(backbone, list | tuple) else [backbone]
    kinds = [_kind(spec) for spec in specs]
    if not kinds:
        raise ValueError(f"{ALLOWED}; got {backbone!r}")
    given = {
        name: value
        for name, value in (
            *(("mean", mean), ("std", std)),
            *(("channel_order", channel_order), ("output", output)),
        )
        if value is not None
    }
    if given and set(kinds) <= {"backbone", "application"}:
        raise ValueError(
            f"{', '.join(given)} can be set for files and Keras models only, since "
            f"{backbone!r} scales its own pixels: leave them at None; got {given!r}"
        )
    runners = [
        _runner(spec, kind, pooling, image_size, given)
        for spec, kind in zip(specs, kinds, strict=True)
    ]
    return _with_own_prefixes(runners)


def _kind(spec):
    if isinstance(spec, str | os.PathLike):
        text = os.fspath(spec)
        if text in BACKBONES:
            return "backbone"
        if text in KERAS_NAMES:
            return "application"
        if text.endswith(".keras"):
            return "keras file"
        if text.endswith(".onnx") or os.path.isfile(text):
            return "onnx file"
        nearest = difflib.get_close_matches(text, [*BACKBONES, *KERAS_NAMES])
        hint = f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
        raise ValueError(f"{ALLOWED}; got {text!r}{hint}")
    # Whoever has a Keras model has imported Keras.
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(spec, keras.Model):
        return "model"
    raise ValueError(f"{ALLOWED}; got {spec!r}")


def _runner(spec, kind, pooling, image_size, given):
    if kind == "backbone":
        return BackboneRunner(spec, pooling)
    if kind == "onnx file":
        return OnnxRunner(os.fspath(spec), pooling, image_size, **given)
    # Imported here, because TensorFlow comes along.
    from sk_posters._features._keras_network import (
        KerasRunner,
        application,
        load_network,
    )

    if kind == "application":
        model, preprocess = application(spec)
        return KerasRunner(model, spec, pooling, image_size, preprocess=preprocess)
    given = {name: given[name] for name in given if name != "channel_order"}
    if kind == "model":
        return KerasRunner(spec, spec.name, pooling, image_size, **given)
    path = os.path.abspath(spec)
    return KerasRunner(
        load_network(path), Path(path).stem, pooling, image_size, **given
    )


def _with_own_prefixes(runners):
    """Number the prefixes that occur twice, so that each column has its own name."""
    seen = set()
    for runner in runners:
        prefix, number = runner.prefix, 2
        while runner.prefix in seen:
            runner.prefix = f"{prefix}_{number}"
            number += 1
        seen.add(runner.prefix)
    return runners
