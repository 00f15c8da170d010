"""Movie genres from posters, and any multi-label image task, as scikit-learn."""

import importlib

from sk_posters._networks._onednn import prepare_tensorflow

__version__ = "0.1.0"

# Where each public name lives. Names are loaded on first use, so that importing
# the package imports no TensorFlow.
_HOMES = {
    "FeatureNovelty": "sk_posters._features._novelty",
    "MultilabelTunedThresholdClassifierCV": "sk_posters.model_selection._thresholds",
    "OneVsRestHead": "sk_posters._features._linear_head",
    "PosterClassifier": "sk_posters._networks._classifier",
    "PosterEncoder": "sk_posters._features._encoder",
    "PosterImageLoader": "sk_posters._images._loader",
    "PosterCheck": "sk_posters.datasets._checks",
    "check_posters": "sk_posters.datasets._checks",
    "export_onnx": "sk_posters._persistence._onnx",
    "find_training_rows": "sk_posters._persistence._models",
    "load_model": "sk_posters._persistence._models",
    "make_poster_pipeline": "sk_posters._pipelines",
    "model_card": "sk_posters._persistence._models",
    "save_html_report": "sk_posters._report",
    "save_model": "sk_posters._persistence._models",
    # Parts of fitted models: files name them by this path, users do not type it.
    "CompiledNetwork": "sk_posters._networks._reuse",
    "KerasPart": "sk_posters._networks._parts",
    "SigmoidCalibration": "sk_posters.model_selection._calibration",
    "TargetEncoder": "sk_posters._networks._targets",
    "TemperatureCalibration": "sk_posters.model_selection._calibration",
}

__all__ = [
    "FeatureNovelty",
    "MultilabelTunedThresholdClassifierCV",
    "OneVsRestHead",
    "PosterCheck",
    "PosterClassifier",
    "PosterEncoder",
    "PosterImageLoader",
    "__version__",
    "check_posters",
    "export_onnx",
    "find_training_rows",
    "load_model",
    "make_poster_pipeline",
    "model_card",
    "save_html_report",
    "save_model",
]

prepare_tensorflow()


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
