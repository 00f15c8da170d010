"""Fixtures that more than one test module uses."""

import gc
import multiprocessing
import os
import signal
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

import sk_posters  # noqa: F401  Switches oneDNN on before a test imports TensorFlow.

# Read when Dask is imported.
os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"
# What processes that predict need; not TensorFlow, which most of them leave out.
PRELOADED = ["distributed", "onnxruntime", "pandas", "pyarrow.parquet", "skops.io"]
PRELOADED += ["sklearn.model_selection", "sklearn.multiclass", "sklearn.pipeline"]
PRELOADED += ["sk_posters._features._encoder", "sk_posters.distributed._predict"]


gc.disable()  # While modules are imported, which stay.


def pytest_collection_finish():
    """Spare collections of garbage the modules, and let there be fewer."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)  # Tracing a network makes very many objects.


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """On a few rows, threads wait for each other longer than they compute."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1, user_api="blas"):
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # For the processes of tests.
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Shells let what they start in the background, and its children, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tf():
    """TensorFlow, for tests that are about it: skipped under other backends."""
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        pytest.skip(f"it is about TensorFlow, and KERAS_BACKEND is {backend!r}")
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def forked():
    """Context of processes that are forked from one that has imported much already.

    Workers of Dask are, too, where a test uses this fixture.
    """
    from multiprocessing import forkserver  # Windows has none.

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    threads = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    with pytest.MonkeyPatch.context() as patch:
        for name in threads:
            patch.setenv(name, "1")  # As Dask sets them for its workers.
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="session")
def real_posters():
    """Folder of real posters in the data set's own layout, where there is one."""
    places = [
        os.environ.get("SK_POSTERS_TEST_POSTERS"),
        Path(__file__).parents[2] / "shared" / "posters",
    ]
    for place in places:
        if place and (Path(place) / "train.csv").is_file():
            return Path(place)
    pytest.skip("no real posters: set SK_POSTERS_TEST_POSTERS to a folder of them")


@pytest.fixture(scope="session")
def reference():
    """Folder of what the reference implementation of the backbones answers."""
    places = [
        os.environ.get("SK_POSTERS_TEST_REFERENCE"),
        Path(__file__).parents[2] / "shared" / "reference",
    ]
    for place in places:
        if place and (Path(place) / "efficientnet_lite0.npz").is_file():
            return Path(place)
    pytest.skip("no reference: set SK_POSTERS_TEST_REFERENCE to a folder of its npz")


@pytest.fixture(autouse=True)
def many_free_networks():
    """Keep more networks for other tests than fits of a user need."""
    reuse = sys.modules.get("sk_posters._networks._reuse")
    if reuse is not None and reuse._free.maxlen == reuse.N_FREE:
        reuse._free = deque(reuse._free, 4 * reuse.N_FREE)


@pytest.fixture(scope="module")
def shallow_backbones():
    """Let the backbones that Keras builds have few blocks, with their weights.

    They have the seven stages of the real ones and a residual sum, and are traced in
    half the time.
    """
    from sk_posters._features._efficientnet import iterate_convolutions
    from sk_posters._networks import _backbone_models, _reuse

    def iterate_few(stages):
        for each in iterate_convolutions(stages):
            if each.block in ("stem", "head", "block2b") or each.block.endswith("a"):
                yield each

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_backbone_models, "iterate_convolutions", iterate_few)
        # No network goes from these tests to others, or the other way.
        patch.setattr(_reuse, "_free", deque(maxlen=_reuse.N_FREE))
        yield
        gc.collect()


@pytest.fixture
def tiny():
    """Parameters of a network that is traced and trained in the least time.

    It has a convolution, batch normalisation and dropout, and no dense layer but
    the last.
    """
    return {
        "filters": (4,),
        "dense_units": (),
        "dropout": 0.1,
        "epochs": 1,
        "batch_size": 8,
        "random_state": 0,
    }


@pytest.fixture
def few_layers(monkeypatch):
    """Let networks have one block, unless their layers are given."""
    from sk_posters import PosterClassifier

    few = {"filters": (2,), "dense_units": ()}
    create = PosterClassifier.__init__
    monkeypatch.setattr(create, "__kwdefaults__", create.__kwdefaults__ | few)


@pytest.fixture
def one_epoch():
    """Let networks train for one epoch, whatever is asked for, and without a graph.

    Making a graph takes longer than a few steps of small networks do without.
    """
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    keras.config.set_max_epochs(1)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
    keras.config.set_max_epochs(None)


@pytest.fixture(scope="session")
def images():
    """Float images, some of them bright, some with a bright left half."""
    pixels = 0.5 * np.random.default_rng(0).random((24, 8, 8, 3), dtype=np.float32)
    pixels[::2] += 0.5
    pixels[::3, :, :4] *= 0.2
    return pixels


@pytest.fixture(scope="session")
def labels():
    """What can be learned from `images`, and a label that nothing tells."""
    rows = np.arange(24)
    columns = {
        "Bright": rows % 2 == 0,
        "Dark left": rows % 3 == 0,
        "Fifth": rows % 5 == 0,
    }
    return pd.DataFrame(columns).astype(int)


@pytest.fixture(scope="session")
def write_onnx():
    """Function that writes an ONNX model of one 1×1 convolution to four channels.

    Its weights are in its attribute ``weights``, of shape (4, 3).
    """
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) - 5

    def write(
        path,
        *,
        order="NHWC",
        dtype="UINT8",
        sides=("height", "width"),
        batch="n",
        channels=3,
        rank=4,
        n_inputs=1,
        n_outputs=1,
    ):
        is_nhwc = order == "NHWC"
        shape = [batch, *sides, channels] if is_nhwc else [batch, channels, *sides]
        node = helper.make_node
        nodes = [node("Cast", ["images"], ["floats"], to=types.FLOAT)]
        if is_nhwc:
            nodes += [node("Transpose", ["floats"], ["first"], perm=[0, 3, 1, 2])]
        nodes += [node("Conv", ["first" if is_nhwc else "floats", "weights"], ["map"])]
        if rank == 2:
            nodes += [node("GlobalAveragePool", ["map"], ["pooled"])]
            nodes += [node("Flatten", ["pooled"], ["result"])]
        elif is_nhwc:
            nodes += [node("Transpose", ["map"], ["result"], perm=[0, 2, 3, 1])]
        else:
            nodes += [node("Identity", ["map"], ["result"])]
        if rank == 3:
            nodes += [node("Squeeze", ["result", "axis"], ["squeezed"])]
        results = ["squeezed" if rank == 3 else "result", "map"][:n_outputs]
        inputs = [
            helper.make_tensor_value_info("images", getattr(types, dtype), shape),
            helper.make_tensor_value_info("other", types.FLOAT, [1]),
        ]
        values = [
            helper.make_tensor("weights", types.FLOAT, [4, 3, 1, 1], weights.ravel()),
            helper.make_tensor("axis", types.INT64, [1], [0]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            inputs[:n_inputs],
            [helper.make_empty_tensor_value_info(name) for name in results],
            values,
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path

    write.weights = weights
    return write


@pytest.fixture
def save_onnx(write_onnx, tmp_path):
    """The same in a folder of the test."""

    def save(name="tiny.onnx", **params):
        return write_onnx(tmp_path / name, **params)

    save.weights = write_onnx.weights
    return save
