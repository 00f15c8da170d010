"""Whatever reads what strangers made: good input to begin with, and what it should do.

A target has a method ``case(random)``, which returns an input; and ``read(case)``,
which reads it, raises an error, and checks the answer where there is one.
"""

import contextlib
import hashlib
import io
import json
import os
import pickle
import traceback
import warnings
import zipfile
from pathlib import Path

import _mutations as mutations
import _structure as structure
import numpy as np
from _written import SIZE, drawn_posters, fitted_pipeline, save_network

N_SEEDS = 8


def is_own(error):
    """Tell whether an error is one that this package raised, of a kind it documents."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    is_ours = "sk_posters" in Path(frame.filename).parts
    return is_ours and isinstance(error, OSError | ValueError)


class Target:
    """What reads.

    Parameters
    ----------
    folder : str
        Where to put files.
    paths : list of str, default=None
        Posters to begin with; None draws some.
    """

    needs = ()
    share = 1.0  # Of the cases: less where one of them takes long.
    limit = 5.0  # Seconds after which a case hangs.
    start_method = "fork"

    def begin(self):
        """Do in the process that reads what shall not count as time of a case."""

    def __init__(self, folder, paths=None):
        self.folder = folder
        self.posters = drawn_posters(folder)
        self.paths = paths or self.posters.data.tolist()

    def saved(self, content, name):
        path = os.path.join(self.folder, f"{os.getpid()}-{name}")
        with open(path, "wb") as file:
            file.write(content)
        return path


class Images(Target):
    """The image loader."""

    name = "images"
    share = 4.0

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        self.seeds = [
            content
            for path in self.paths[:N_SEEDS]
            for content in [Path(path).read_bytes(), *_other_formats(path)]
        ]

    def case(self, random):
        content = random.choice(self.seeds)
        kind = random.random()
        if kind < 0.1:
            content = mutations.lied_about(random, content)
        elif kind < 0.13:
            content = mutations.many_scans(random, content)
        if kind > 0.05:
            content = mutations.mutated(random, content, self.seeds)
        if content.startswith(b"\x89PNG") and random.random() < 0.7:
            content = mutations.sealed_png(content)
        return content

    def read(self, case):
        from sk_posters import PosterImageLoader

        loader = PosterImageLoader(image_size=SIZE, n_jobs=1)
        path = self.saved(case, "poster.jpg")
        images = np.asarray(loader.fit([path]).transform([path]))
        assert images.shape == (1, *SIZE, 3)
        assert images.min() >= 0
        assert images.max() <= 1


def _other_formats(path):
    """Return a poster in other formats, smaller ones."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    image.thumbnail((96, 96))
    turned = Image.Exif()
    turned[0x0112] = 6
    grey = np.asarray(image.convert("L")).astype(np.uint16) << 8
    frames = {"save_all": True, "append_images": [image.rotate(90)]}
    for form, made, options in (
        ("JPEG", image, {"progressive": True}),
        ("JPEG", image.convert("CMYK"), {}),
        ("JPEG", image.convert("L"), {"exif": turned}),
        ("PNG", image, {}),
        ("PNG", image.quantize(16), {"transparency": 3}),
        ("PNG", Image.fromarray(grey), {}),
        ("WEBP", image, {}),
        ("WEBP", image, {"lossless": True, "exif": turned.tobytes()}),
        ("WEBP", image, frames),
        ("GIF", image.quantize(64), frames),
        ("BMP", image, {}),
        ("BMP", image.quantize(16), {}),
    ):
        buffer = io.BytesIO()
        made.save(buffer, form, **options)
        yield buffer.getvalue()


class Weights(Target):
    """The reader of PyTorch's files."""

    name = "weights"
    opcodes = pickle.dumps([1, (2.5, "a"), {"b": None}, b"c", {3}], 2)

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        self.seeds = [_checkpoint(n) for n in (1, 3)]

    def case(self, random):
        content = random.choice(self.seeds)
        if random.random() < 0.3:
            start, piece = mutations.place(random, content), self.opcodes
            first = random.randint(0, len(piece) - 1)
            piece = piece[first : random.randint(first, len(piece))]
            content = content[:start] + piece + content[start:]
            return content
        return mutations.mutated(random, content, self.seeds)

    def read(self, case):
        from sk_posters._features._torch_weights import parse_checkpoint

        for name, value in parse_checkpoint(case).items():
            assert isinstance(name, str)
            assert value.nbytes <= 8 * len(case)


def _checkpoint(n_tensors):
    """Return weights as PyTorch wrote them before version 1.6."""

    def opcodes(value):
        return pickle.dumps(value, 2)[2:-1]

    from sk_posters._features._torch_weights import MAGIC, PROTOCOL

    tensors = b"\x80\x02ccollections\nOrderedDict\n)R("
    stored = b""
    keys = [str(number) for number in range(n_tensors)]
    for key in keys:
        tensors += opcodes(f"layer{key}") + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        tensors += opcodes("storage") + b"ctorch\nFloatStorage\n"
        tensors += b"".join(opcodes(x) for x in (key, "cpu", 6, None)) + b"tQ"
        tensors += b"".join(opcodes(x) for x in (0, (2, 3), (3, 1), False))
        tensors += b"ccollections\nOrderedDict\n)RtR"
        stored += (6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes()
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    pickles = [pickle.dumps(each, 2) for each in (MAGIC, PROTOCOL, system)]
    return b"".join([*pickles, tensors, b"u.", pickle.dumps(keys, 2), stored])


class Models(Target):
    """The reader of models."""

    name = "model file"
    needs = ("skops", "onnx", "onnxruntime")

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        from sk_posters import save_model

        self.model = fitted_pipeline(self.posters, save_network(folder))
        path = os.path.join(folder, "good.model")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save_model(self.model, path)
        self.seed = Path(path).read_bytes()
        self.rows = self.posters.data[:2]
        self.expected = self.model.predict_proba(self.rows)
        self.card, estimator = _unzipped(self.seed).values()
        self.parts = _unzipped(estimator)

    def case(self, random):
        """Return bytes, and whether what lies below the checksums was changed."""
        if random.random() < 0.3:
            return mutations.mutated(random, self.seed, [self.seed]), False
        parts = dict(self.parts)
        name = random.choice(["schema.json", random.choice(list(parts))])
        if name == "schema.json" and random.random() < 0.8:
            schema = json.loads(parts[name])
            for _ in range(random.randint(1, 3)):
                _change_json(random, schema)
            parts[name] = json.dumps(schema).encode()
        else:
            parts[name] = mutations.mutated(random, parts[name], list(parts.values()))
        return _sealed(self.card, parts), True

    def read(self, case):
        from sk_posters import load_model, model_card

        content, is_other = case
        path = self.saved(content, "it.model")
        assert isinstance(model_card(path), dict)
        model = load_model(path)
        if not is_other:
            np.testing.assert_array_equal(model.predict_proba(self.rows), self.expected)


def _sealed(card, parts):
    """Return a model file of these parts, with checksums that fit."""
    estimator = _zipped(parts)
    card = json.loads(card)
    card["parts"]["estimator.skops"] = {
        "bytes": len(estimator),
        "sha256": hashlib.sha256(estimator).hexdigest(),
    }
    text = json.dumps(card).encode()
    return _zipped({"manifest.json": text, "estimator.skops": estimator})


def _unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


VALUES = (
    None,
    True,
    0,
    -1,
    2**31,
    2**70,
    1e308,
    "",
    "x",
    "../x",
    "1.npy",
    [],
    {},
    [[]],
)


def _change_json(random, value):
    """Change a random place in nested lists and dicts."""
    places = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        keys = item if isinstance(item, dict) else range(len(item))
        for key in keys:
            places.append((item, key))
            if isinstance(item[key], dict | list):
                waiting.append(item[key])
    if not places:
        return
    item, key = random.choice(places)
    other, other_key = random.choice(places)
    how = random.randint(0, 4)
    if how == 0 and isinstance(item, dict):
        del item[key]
    elif how == 1:
        item[key] = random.choice(VALUES)
    elif how == 2:
        # A copy, or else the tree would have no end.
        item[key] = json.loads(json.dumps(other[other_key]))
    elif how == 3 and isinstance(item[key], str):
        item[key] = item[key] + random.choice(("x", "0", ".", "\0", "é"))
    else:
        item[key] = [item[key]] * random.choice((0, 1, 2, 50))


class Networks(Models):
    """The reader of models with Keras networks."""

    name = "model file, Keras"
    needs = ("skops", "tensorflow")
    share = 0.05
    # TensorFlow's threads do not outlive a fork, and whoever waits for them hangs.
    start_method = "spawn"

    def __init__(self, folder, paths=None):
        Target.__init__(self, folder, paths)
        from sk_posters import PosterClassifier, save_model

        images = np.zeros((6, *SIZE, 3), dtype=np.float32)
        self.model = PosterClassifier(
            filters=(4,), dense_units=(4,), dropout=0.1, epochs=1, random_state=0
        ).fit(images, self.posters.target)
        path = os.path.join(folder, "good.model")
        save_model(self.model, path)
        self.seed = Path(path).read_bytes()
        self.rows = images[:2]
        self.expected = self.model.predict_proba(self.rows)
        self.model = None  # No network can be sent to another process.
        self.card, estimator = _unzipped(self.seed).values()
        self.parts = _unzipped(estimator)

    def begin(self):
        self.read((self.seed, False))

    def case(self, random):
        networks = [name for name in self.parts if name.endswith(".bin")]
        if random.random() < 0.3 or not networks:
            return super().case(random)
        parts = dict(self.parts)
        name = random.choice(networks)
        network = _unzipped(parts[name]) if parts[name][:2] == b"PK" else None
        if network is None:
            return super().case(random)
        part = random.choice(["config.json", "model.weights.h5"])
        if part == "config.json":
            config = json.loads(network[part])
            for _ in range(random.randint(1, 3)):
                _change_json(random, config)
            network[part] = json.dumps(config).encode()
        else:
            network[part] = mutations.mutated(random, network[part], [self.seed])
        parts[name] = _zipped(network)
        return _sealed(self.card, parts), True


class Structures(Target):
    """The reader of models, given files whose form is right and whose values are not.

    A file is refused, or predicts what it did before, or something else: that is said
    with the change, and a problem unless the change may count.
    """

    name = "model file, structure"
    needs = ("skops", "onnxruntime")

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        from sk_posters import save_model
        from sk_posters.datasets import make_posters

        # Enough of them for each label to have both values in each half.
        self.posters = make_posters(
            24, n_labels=3, image_size=(48, 32), random_state=0, data_home=folder
        )
        self.rows = self.posters.data[:2]
        self.seeds = []
        for number, model in enumerate(self.models()):
            path = os.path.join(folder, f"good{number}.model")
            model.fit(self.posters.data, self.posters.target)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                save_model(model, path)
            card, estimator = _unzipped(Path(path).read_bytes()).values()
            expected = [_list_kinds(model), *self._predict(model)]
            self.seeds.append((card, _unzipped(estimator), expected))

    def models(self):
        """Return what is saved: the recipes that need no Keras, small ones."""
        from sklearn.pipeline import FeatureUnion, make_pipeline
        from sklearn.preprocessing import RobustScaler
        from sklearn.svm import LinearSVC

        from sk_posters import (
            MultilabelTunedThresholdClassifierCV,
            OneVsRestHead,
            PosterEncoder,
            make_poster_pipeline,
        )

        small = {"image_size": (48, 32), "encoder__n_jobs": 1}

        def tuned(classifier, **params):
            return MultilabelTunedThresholdClassifierCV(
                classifier, thresholds=10, cv=0.5, random_state=0, **params
            )

        encoders = [
            (
                f"lite{number}",
                PosterEncoder(
                    f"efficientnet_lite{number}",
                    image_size=(48, 32),
                    pooling="avgmax",
                    flip=True,
                    n_jobs=1,
                    precision="auto",
                ),
            )
            for number in range(2)
        ]
        several = make_poster_pipeline(scaler__with_std=True, C=2e-4)
        several.steps[0] = ("encoders", FeatureUnion(encoders))
        return [
            make_poster_pipeline(**small),
            tuned(make_poster_pipeline(**small), calibration="sigmoid"),
            tuned(several, store_cv_results=True),
            make_pipeline(
                PosterEncoder(image_size=(48, 32), n_jobs=1),
                RobustScaler(),
                tuned(OneVsRestHead(LinearSVC()), calibration="temperature"),
            ),
        ]

    def _predict(self, model):
        return [np.asarray(model.predict_proba(self.rows)), model.predict(self.rows)]

    def begin(self):
        for card, parts, expected in self.seeds:
            assert self.read((_sealed(card, parts), expected, ["same"])) == "same"

    def case(self, random):
        """Return bytes, what is predicted without the changes, and the changes."""
        card, parts, expected = random.choice(self.seeds)
        changes = []
        for _ in range(random.choice((1, 1, 2))):
            contents = structure.Contents(parts)
            changes.append(structure.change(random, contents))
            parts = contents.pack()
        return _sealed(card, parts), expected, changes

    def read(self, case):
        from sk_posters import load_model

        content, (kinds, *expected), changes = case
        model = load_model(self.saved(content, "it.model"))
        if _list_kinds(model) != kinds:  # It may take something else than posters.
            return "other: other steps"
        found = self._predict(model)
        if all(
            np.shape(one) == np.shape(other) and np.array_equal(one, other)
            for one, other in zip(found, expected, strict=True)
        ):
            return "same"
        # What follows a change may be its own, but one that must not count is alone.
        silent = len(changes) == 1 and changes[0].startswith(structure.MUST_NOT_COUNT)
        assert not silent, changes
        assert np.isfinite(found[0]).all(), changes
        return f"other: {' and '.join(sorted(changes))}"


def _list_kinds(model):
    from sk_posters._base._unwrap import list_parts

    return [type(part).__name__ for _, part in list_parts(model)]


class KerasStructures(Structures):
    """The same for models with Keras networks."""

    name = "model file, Keras structure"
    needs = ("skops", "tensorflow")
    share = 0.1
    limit = 30.0
    start_method = "spawn"

    def models(self):
        """Return the recipes with networks, small ones."""
        from sk_posters import make_poster_pipeline

        train = {"images__n_jobs": 1, "epochs": 1, "random_state": 0}
        tiny = {"filters": (4,), "dense_units": (4,), "dropout": 0.1}
        cnn = make_poster_pipeline("cnn", image_size=(16, 12), **tiny, **train)
        train["unfreeze"] = 1
        finetuned = make_poster_pipeline("finetuned", image_size=(48, 32), **train)
        return [cnn, finetuned]

    def case(self, random):
        # The second has 22 MB.
        card, parts, expected = self.seeds[random.random() < 0.1]
        contents = structure.Contents(parts)
        networks = [name for name in parts if name.endswith(".bin")]
        if random.random() < 0.6:
            words = structure.change(random, contents)
        else:
            network = _unzipped(parts[networks[0]])
            if random.random() < 0.5:
                config = json.loads(network["config.json"])
                _change_json(random, config)
                network["config.json"] = json.dumps(config).encode()
                words = "config of the network"
            else:
                words = structure.change_weights(random, network)
            contents.parts[networks[0]] = _zipped(network)
        return _sealed(card, contents.pack()), expected, [words]


class Tables(Target):
    """The reader of tables."""

    name = "table"
    pieces = (b",", b'"', b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"Id", b"..")
    pieces += (b"Genre", b"0", b"1.0", b"nan", b"'", b"[", b"/", b" ", b"\t", b";")
    pieces += (b"1e999", b"\xe2\x80\xae", b"\xed\xa0\x80", b"-1")

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        self.table = Path(self.posters.data[0]).parents[1] / "train.csv"
        self.seed = self.table.read_bytes()

    def case(self, random):
        content = self.seed
        if random.random() > 0.98:
            wide = random.choice((100, 3000, 30000))
            names = b",".join(b"g%d" % (number % (wide - 1)) for number in range(wide))
            return b"Id," + names + b"\n" + b"x" + b",0" * wide + b"\n"
        for _ in range(random.randint(1, 6)):
            start = random.randint(0, len(content))
            piece = random.choice(self.pieces)
            if random.random() > 0.95:
                piece *= random.choice((100, 100_000))
            skipped = random.choice((0, 0, 1, 5, 100))
            content = content[:start] + piece + content[start + skipped :]
        if random.random() < 0.3:
            content = mutations.mutated(random, content, [self.seed])
        return content

    def read(self, case):
        from sk_posters.datasets import load_poster_table

        images = self.table.parent / "Images"
        path = self.saved(case, "table.csv")
        posters = load_poster_table(path, images)
        assert set(np.unique(posters.target)) <= {0, 1}
        assert len(posters.data) == len(posters.target)
        # No id leads out of the folder.
        assert all(Path(path).is_relative_to(images) for path in posters.data)


class Labels(Target):
    """The reader of genres."""

    name = "labels"
    pieces = ("[", "]", "(", ")", "{", "}", ",", "'", '"', "Drama", "N/A", "\\", "\n")
    pieces += ("#", "b'", "1", "9" * 5000, "None", "lambda", "-", "+", "f'{", "é", "\0")
    pieces += ("\\x", "\\N{", "...", "*", " ", "\t", "\ud800", "not ", "[" * 300, ":")
    objects = (None, 1.5, float("nan"), b"x", np.array("x"), np.array(["a"]), [[]])
    objects += ({"a": 1}, {"a"}, ("a",), [None], ["a", 1], object(), np.array([["a"]]))

    def case(self, random):
        if random.random() < 0.1:
            return random.choice(self.objects)
        text = random.choice(("['Comedy', 'Drama']", "[]", "", "('a',)"))
        for _ in range(random.randint(1, 8)):
            start = random.randint(0, len(text))
            piece = random.choice(self.pieces)
            if random.random() > 0.9:
                piece *= random.choice((10, 1000, 300_000 // len(piece)))
            skipped = random.choice((0, 1, 3))
            text = text[:start] + piece + text[start + skipped :]
        return text

    def read(self, case):
        from sk_posters.datasets._genres import genres_to_indicators

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = genres_to_indicators([case])
        assert len(table) == 1


class OnnxFiles(Target):
    """The reader of ONNX files of the user's."""

    name = "ONNX file"
    needs = ("onnx", "onnxruntime")
    share = 0.1  # Each file is opened by onnxruntime.

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        self.seed = Path(save_network(folder)).read_bytes()

    def case(self, random):
        """Return a file that onnx cannot parse, or that its checker accepts.

        onnxruntime may abort at other graphs, and a file of the caller's is trusted.
        """
        import onnx

        while True:
            case = self._make(random, onnx)
            try:
                model = onnx.load_model_from_string(case)
            except Exception:  # Of protobuf's classes.
                return case
            try:
                onnx.checker.check_model(model, full_check=True)
            except Exception:
                continue
            return case

    def _make(self, random, onnx):
        if random.random() < 0.5:
            return mutations.mutated(random, self.seed, [self.seed])
        model = onnx.load_model_from_string(self.seed)
        for _ in range(random.randint(1, 3)):
            self._change(random, model.graph)
        return model.SerializeToString()

    def _change(self, random, graph):
        node = random.choice(graph.node)
        how = random.randint(0, 6)
        if how == 0:
            kinds = ("Cast", "Conv", "Flatten", "Loop", "Resize", "Tile", "Expand", "?")
            node.op_type = random.choice(kinds)
        elif how == 1 and len(node.input):
            names = ("images", "floats", "map", "weights", "", "nothing", "features")
            node.input[random.randint(0, len(node.input) - 1)] = random.choice(names)
        elif how == 2 and graph.initializer:
            dims = graph.initializer[0].dims
            dims[random.randint(0, len(dims) - 1)] = random.choice((0, -1, 5, 2**40))
        elif how == 3:
            side = random.choice(graph.input[0].type.tensor_type.shape.dim)
            side.dim_value = random.choice((0, -1, 1, 3, 2**40))
        elif how == 4:
            graph.input[0].type.tensor_type.elem_type = random.choice((0, 1, 2, 8, 99))
        elif how == 5:
            graph.output[0].name = random.choice(("map", "nothing", "images", ""))
        elif len(node.attribute):
            node.attribute[0].i = random.choice((0, -1, 10, 2**40))

    def read(self, case):
        from sk_posters import PosterEncoder

        path = self.saved(case, "it.onnx")
        features = PosterEncoder(path, image_size=SIZE, n_jobs=1).fit_transform(
            self.posters.data[:1]
        )
        assert features.ndim == 2


class Paths(Target):
    """The command's reader of paths."""

    name = "paths"
    pieces = (
        "*",
        "**",
        "?",
        "[",
        "]",
        "!",
        "/",
        "..",
        ".",
        "~",
        "a",
        "b",
        "c.jpg",
        "-",
    )
    pieces += ("**/", "[a-", "\n", "\0", "é", "\udcff", "//", "tree", " ", "\\", "[!a]")

    def __init__(self, folder, paths=None):
        super().__init__(folder, paths)
        self.tree = Path(folder, "tree")
        for place in ("a/b/a/b/a", "b/a", ".hidden", "a [1]", "new\nline"):
            (self.tree / place).mkdir(parents=True)
            (self.tree / place / "c.jpg").touch()
        (self.tree / os.fsdecode(b"bad\xff.jpg")).touch()
        (self.tree / "a" / "loop").symlink_to(self.tree)
        (self.tree / "broken.jpg").symlink_to("nowhere")
        os.mkfifo(self.tree / "pipe.jpg")

    def case(self, random):
        def text():
            n_pieces = random.randint(0, 12)
            given = "".join(random.choice(self.pieces) for _ in range(n_pieces))
            # What stands above the tree is the machine's, and may be large.
            return given.lstrip("/")

        if random.random() > 0.98:
            return [random.choice(("**/", "*", "a*", "[a-")) * 2000], []
        given = [text() for _ in range(random.randint(1, 3))]
        lines = [os.fsencode(text()) + b"\n" for _ in range(random.randint(0, 3))]
        return given, lines

    def read(self, case):
        from sk_posters.cli._paths import iterate_paths

        given, lines = case
        with contextlib.chdir(self.tree):
            for path, problem in iterate_paths(given, lines):
                assert isinstance(path, str)
                assert problem is not None or Path(path).is_file()


TARGETS = {
    target.name: target
    for target in (
        *(Images, Weights, Models, Networks, Structures, KerasStructures),
        *(Tables, Labels, OnnxFiles, Paths),
    )
}
