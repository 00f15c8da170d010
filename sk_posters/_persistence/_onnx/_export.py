"""`export_onnx`: fitted recipes as ONNX graphs, from pixels to probabilities."""

from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._atomic import write_file
from sk_posters._base._optional import import_optional
from sk_posters._base._unwrap import find_label_names, unwrap
from sk_posters._features._encoder import list_encoders
from sk_posters._features._linear_head import OneVsRestHead
from sk_posters._features._novelty import FeatureNovelty
from sk_posters._images._loader import PosterImageLoader
from sk_posters._persistence._onnx._frozen import add_frozen, name_inputs
from sk_posters._persistence._onnx._graph import Graph, refuse
from sk_posters._persistence._onnx._networks import add_network

__all__ = ["export_onnx"]

LINEAR = [[StandardScaler, head] for head in (OneVsRestHead, OneVsRestClassifier)]


def export_onnx(model, path):
    """Write a fitted pipeline as an ONNX file, from pixels to probabilities.

    Such a file runs without Python, on onnxruntime and much else.

    Parameters
    ----------
    model : Pipeline or MultilabelTunedThresholdClassifierCV
        A fitted recipe of :func:`make_poster_pipeline`, also with tuned thresholds
        around the pipeline or its last step.
    path : str or path-like
        The file. An existing one is replaced once the new one is complete.

    Returns
    -------
    dict
        What the file's metadata say, too: ``"image_size"`` (height and width to
        which the pipeline brings files) and ``"interpolation"``, both None if there
        are several inputs; ``"inputs"``, a dict of these two for each input by its
        name; ``"label_names"`` and ``"thresholds"``.

    Raises
    ------
    ValueError
        If the pipeline is not one of these.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ImportError
        If onnx is not installed: ``pip install "sk-posters[pretrained]"``.

    See Also
    --------
    save_model : Saves any model, for Python.

    Notes
    -----
    Input: ``images``, uint8 of shape (n, height, width, 3), RGB. An encoder with
    ``draft=True`` takes large JPEG files from Pillow's ``Image.draft`` at twice the
    size or more: pixels that were decoded in full differ a little. Where encoders take
    several sizes, there is an input for each of them, such as ``images_384x272``, and
    each gets the same posters at its size. Output: ``probabilities``, float32 of shape
    (n, n_labels).

    Reading and resizing files is left to the caller of the graph: the pipeline
    resizes as Pillow does, with filters that grow as images shrink, and the operator
    of ONNX would give other pixels. Features and scores are computed in float32, where
    scikit-learn takes float64: probabilities may differ in the fifth digit. A network
    that computes in float16 (`mixed_precision`) computes in float32 here. The graph
    does not tell the novelty of an image, as
    :func:`~sk_posters.inspection.novelty` does.

    Encoders that run one network at one size share it, and the weights of a network
    are stored once.

    Examples
    --------
    >>> from sk_posters import export_onnx, make_poster_pipeline
    >>> from sk_posters.datasets import make_posters
    >>> posters = make_posters(12, n_labels=2, random_state=0, data_home="posters")
    >>> pipe = make_poster_pipeline(image_size=(96, 64))
    >>> card = export_onnx(pipe.fit(posters.data, posters.target), "genres.onnx")
    >>> card["image_size"], list(card["inputs"])
    ([96, 64], ['images'])
    """
    check_is_fitted(model)
    onnx = import_optional("onnx", extra="pretrained", purpose="export_onnx")
    steps, tuned = _unwrap(model)
    graph = Graph(onnx)
    inputs, shapes, n_labels = _add_steps(graph, steps)
    names = find_label_names(model)
    card = {
        **_needs(inputs),
        "label_names": None if names is None else [str(name) for name in names],
        "thresholds": None if tuned is None else tuned.best_thresholds_.tolist(),
    }
    write_file(path, graph.to_model(shapes, n_labels, card))
    return card


def _add_steps(graph, steps):
    """Return input names by (size, interpolation), shapes by name, number of labels."""
    encoders = list_encoders(steps[0])
    kinds = [type(step) for step in steps[1:]]
    if encoders and kinds in LINEAR:
        inputs = name_inputs(encoders)
        n_labels = add_frozen(graph, encoders, *steps[1:], inputs)
        return inputs, _free_shapes(inputs.values()), n_labels
    if isinstance(steps[0], PosterImageLoader) and len(kinds) == 1:
        n_labels = add_network(graph, steps[1])
        size = tuple(int(side) for side in steps[0].image_size)
        inputs = {(size, steps[0].interpolation): "images"}
        return inputs, {"images": ["n", *steps[1].image_shape_]}, n_labels
    raise refuse(", ".join(type(step).__name__ for step in steps))


def _free_shapes(names):
    """Return shapes of any size; sides of the same name would have to be equal."""
    names = list(names)
    ends = [f"_{name}" for name in names] if len(names) > 1 else [""]
    return {
        name: ["n", f"height{end}", f"width{end}", 3]
        for name, end in zip(names, ends, strict=True)
    }


def _needs(inputs):
    """Return the metadata of the inputs."""
    needs = {
        name: {"image_size": list(size), "interpolation": interpolation}
        for (size, interpolation), name in inputs.items()
    }
    several = {"image_size": None, "interpolation": None}
    only = next(iter(needs.values())) if len(needs) == 1 else several
    return {**only, "inputs": needs}


def _unwrap(model):
    """Return the steps in order, and the part with tuned thresholds."""
    unwrapped = unwrap(model)
    for _, tuner in unwrapped.tuners:
        if tuner.calibration_ is not None:
            raise refuse(f"calibration={tuner.calibration!r}")
    steps = [s for s in unwrapped.estimators if not isinstance(s, FeatureNovelty)]
    return steps, unwrapped.tuner
