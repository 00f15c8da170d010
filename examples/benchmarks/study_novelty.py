"""Which distance tells images that are no posters from posters, and does it say 5 %?

A pretrained network gives the features of a recipe `"frozen"`. Distances from those of
the training set are compared by how well they tell images of several kinds from the
test set of one grouped split: the area under the ROC curve, where 0.5 is chance. Each
is calibrated on the half of the training set that it was not fitted on; how many
posters of the test set are then above 0.95 says whether 5 % means 5 %. `FeatureNovelty`
itself, calibrated by leaving one out, comes last, with posters that were changed.

The distance was chosen on the first two kinds, `plots` and `sample photographs`.
Further kinds come from folders: `--images photographs=FOLDER`. They are taken whole,
and as four crops of each in a poster's shape.
"""

import io
import time
import warnings
from pathlib import Path

import numpy as np
from _common import load, machine, parser, write_json
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

TEST_SIZE = 0.25
SIZE = (300, 444)  # Width and height of a poster.
ABOVE = 0.95
N_CROPS = 4
LEVELS = (0.5, ABOVE, 0.99)
WORDS = ["the", "of", "a", "movie", "poster", "genre", "label", "model", "is", "in"]
OURS = "mean direction, cosine"


def draw_plots(n, random):
    """Yield line, point, bar and image plots."""
    from matplotlib.figure import Figure

    for number in range(n):
        figure = Figure(figsize=(3, 4.44), dpi=100)
        ax = figure.subplots()
        if number % 4 == 0:
            ax.plot(random.normal(size=(20, 3)).cumsum(axis=0))
        elif number % 4 == 1:
            ax.scatter(*random.normal(size=(2, 80)), c=random.random(80))
        elif number % 4 == 2:
            ax.bar(range(8), random.random(8))
        else:
            ax.imshow(random.random((12, 8)))
        ax.set_title(f"figure {number}")
        content = io.BytesIO()
        figure.savefig(content)
        yield Image.open(content).convert("RGB")


def crop_sample_photographs(n, random):
    """Yield crops of the two photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    images = [Image.fromarray(image) for image in load_sample_images().images]
    return crop(images, n, random)


def crop(images, n, random):
    """Yield crops of images in a poster's shape, each image in its turn."""
    for number in range(n):
        image = images[number % len(images)]
        scale = min(np.divide(image.size, SIZE)) * random.uniform(0.4, 1)
        width, height = (int(side * scale) for side in SIZE)
        left = random.integers(image.width - width + 1)
        top = random.integers(image.height - height + 1)
        box = (left, top, left + width, top + height)
        yield image.crop(box).resize(SIZE)


def fill_plain(n, random):
    """Yield images of one colour."""
    for _ in range(n):
        yield Image.new("RGB", SIZE, tuple(map(int, random.integers(0, 256, 3))))


def draw_noise(n, random):
    """Yield noise, in squares of 1 to 16 pixels."""
    for number in range(n):
        width, height = (side // 2 ** (number % 5) + 1 for side in SIZE)
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        yield Image.fromarray(pixels).resize(SIZE, Image.Resampling.NEAREST)


def write_text(n, random):
    """Yield pages of text, black on white."""
    for _ in range(n):
        page = Image.new("RGB", SIZE, "white")
        size = int(random.integers(9, 16))
        lines = [
            " ".join(random.choice(WORDS, random.integers(4, 9)))[: 520 // size]
            for _ in range(400 // int(1.4 * size))
        ]
        font = ImageFont.load_default(size)
        ImageDraw.Draw(page).text((20, 20), "\n".join(lines), "black", font)
        yield page


def draw_posters(n, random):
    """Return paths of posters that `make_posters` draws."""
    from sk_posters.datasets import make_posters

    return make_posters(n, random_state=0).data


KINDS = {
    "plots": draw_plots,
    "sample photographs": crop_sample_photographs,
    "plain colours": fill_plain,
    "noise": draw_noise,
    "pages of text": write_text,
    "drawn posters": draw_posters,
}
CHANGES = {
    "as they are": lambda image: image,
    "mirrored": ImageOps.mirror,
    "JPEG of quality 30": lambda image: _save_jpeg(image, 30),
    "of half the size": lambda image: image.reduce(2),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "lower half": lambda image: image.crop(
        (0, image.height // 2, image.width, image.height)
    ),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def _save_jpeg(image, quality):
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def fit_direction(X):
    """Return the cosine distance from the mean direction, and how much is stored."""
    direction = scale_to_one(scale_to_one(X).mean(axis=0, keepdims=True))[0]
    return lambda X: 1 - scale_to_one(X) @ direction, direction.size


def fit_neighbors(X, k=10, n_rows=1000):
    """Return the distance from the k-th nearest of some rows."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(k, len(X)), algorithm="brute")
    search.fit(X[:n_rows])
    return lambda X: search.kneighbors(X)[0][:, -1], X[:n_rows].size


def fit_principal(X, n_components=64):
    """Return the Mahalanobis distance where all but some variances are alike."""
    from sklearn.utils.extmath import randomized_svd

    mean, n_components = X.mean(axis=0), min(n_components, len(X) - 1)
    _, sizes, axes = randomized_svd(X - mean, n_components, random_state=0)
    variances = sizes**2 / (len(X) - 1)
    rest = X.var(axis=0, ddof=1).sum() - variances.sum()
    rest /= X.shape[1] - n_components

    def measure(X):
        inside = (X - mean) @ axes.T
        outside = ((X - mean) ** 2).sum(axis=1) - (inside**2).sum(axis=1)
        return (inside**2 / variances).sum(axis=1) + outside / rest

    return measure, axes.size + mean.size


def fit_shrunk(X):
    """Return the Mahalanobis distance of Ledoit and Wolf's covariance."""
    from sklearn.covariance import LedoitWolf

    found = LedoitWolf().fit(X)
    return found.mahalanobis, found.precision_.size + found.location_.size


def fit_length(X):
    """Return the squared length, for standardised features."""
    return lambda X: (X**2).sum(axis=1), 0


def scale_to_one(X):
    """Return rows of length 1."""
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# The features that each takes, and what fits it.
DISTANCES = {
    OURS: ("features", fit_direction),
    "10th neighbour of 1000, cosine": ("unit", fit_neighbors),
    "1st neighbour of 1000, cosine": ("unit", lambda X: fit_neighbors(X, k=1)),
    "10th neighbour of 1000, standardised": ("standardised", fit_neighbors),
    "Mahalanobis, 64 components, unit": ("unit", fit_principal),
    "Mahalanobis, 64 components, standardised": ("standardised", fit_principal),
    "Mahalanobis, Ledoit-Wolf, unit": ("unit", fit_shrunk),
    "Mahalanobis, Ledoit-Wolf, standardised": ("standardised", fit_shrunk),
    "length, standardised": ("standardised", fit_length),
}
UNSURE = "one minus the greatest probability"


def make_images(options):
    """Return the images of each kind."""
    random, n = np.random.default_rng(0), options.n_images
    images = {name: list(make(n, random)) for name, make in KINDS.items()}
    for word in options.images:
        name, _, folder = word.partition("=")
        files = sorted(path for path in Path(folder).iterdir() if path.is_file())
        whole = [Image.open(path).convert("RGB") for path in files]
        images[name] = whole
        images[f"{name}, crops"] = list(crop(whole, N_CROPS * len(whole), random))
    return images


def compare_distances(views, kinds, pipe):
    """Print and return the figures of each distance, and of the model's sureness."""
    half = np.random.default_rng(0).permutation(len(views["features"]["train"]))
    half, other = np.array_split(half, 2)
    rows = []
    for name, (view, fit) in DISTANCES.items():
        sets = views[view]
        started = time.perf_counter()
        measure, n_numbers = fit(sets["train"][half])
        seconds = time.perf_counter() - started
        found = {each: measure(sets[each]) for each in ["test", *kinds]}
        calibration = np.sort(measure(sets["train"][other]))
        shares = {each: share_above(calibration, found[each]) for each in found}
        rows.append(describe(name, found, shares, n_numbers, seconds))
    sets = views["features"]
    found = {each: -pipe.predict_proba(sets[each]).max(axis=1) for each in found}
    rows.append(describe(UNSURE, found, dict.fromkeys(found), 0, 0))
    return rows


def share_above(calibration, distances):
    """Return the share of distances whose novelty is notable."""
    novelty = np.searchsorted(calibration, distances) / (len(calibration) + 1)
    return float((novelty > ABOVE).mean())


def describe(name, found, shares, n_numbers, seconds):
    """Print and return the areas under the curve of one distance."""
    from sklearn.metrics import roc_auc_score

    areas = {
        kind: float(
            roc_auc_score(
                np.repeat([0, 1], [len(found["test"]), len(distances)]),
                np.concatenate([found["test"], distances]),
            )
        )
        for kind, distances in found.items()
        if kind != "test"
    }
    print(f"{name:42}" + "".join(f"{area:8.3f}" for area in areas.values()), end="")
    above = shares["test"]
    print("" if above is None else f"{above:9.3f}{n_numbers:11,}{seconds:7.2f}")
    return {
        "distance": name,
        "areas": areas,
        "above 0.95": shares,
        "numbers": n_numbers,
        "seconds of the fit": seconds,
    }


def check_step(step, encoder, sets, paths):
    """Print and return what `FeatureNovelty` says of the test set and of all kinds."""
    posters = [Image.open(path).convert("RGB") for path in paths]
    for name, change in CHANGES.items():
        changed = [change(poster) for poster in posters]
        sets = {**sets, f"posters, {name}": encoder.transform(changed)}
    print(f"\n{'FeatureNovelty':42}" + "".join(f"{f'> {x}':>8}" for x in LEVELS))
    found = {}
    for name, X in sets.items():
        novelty = step.novelty(X)
        found[name] = {level: float((novelty > level).mean()) for level in LEVELS}
        print(f"{name:42}" + "".join(f"{x:8.3f}" for x in found[name].values()))
    return found


def split(options):
    """Return encoder, features, labels and paths, and the rows of both sets."""
    from sk_posters import make_poster_pipeline
    from sk_posters.model_selection import multilabel_train_test_split

    n = options.n_samples
    posters = load(options.data, n)
    encoder = make_poster_pipeline("frozen", cache_dir=options.cache_dir)[0]
    rows = multilabel_train_test_split(
        np.arange(n),
        stratify=posters.target[:n],
        groups=np.asarray(posters.groups)[:n],
        test_size=TEST_SIZE,
        random_state=0,
    )
    paths = posters.data[:n]
    return encoder, encoder.fit_transform(paths), posters.target[:n], paths, rows


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=4000)
    options.add_argument(
        "--images",
        action="append",
        default=[],
        metavar="KIND=FOLDER",
        help="a folder of images of another kind; can be given several times",
    )
    options.add_argument(
        "--n-images", type=int, default=80, help="images of a kind (default: 80)"
    )
    options.add_argument("--cache-dir", help="folder that keeps features")
    options = options.parse_args(arguments)
    warnings.simplefilter("ignore", UserWarning)  # Labels too rare for the split.
    from sklearn.preprocessing import StandardScaler

    from sk_posters import FeatureNovelty, make_poster_pipeline

    encoder, X, y, paths, (train, test) = split(options)
    images = make_images(options)
    sets = {name: encoder.transform(each) for name, each in images.items()}
    sets = {"train": X[train], "test": X[test], **sets}
    scaler = StandardScaler().fit(X[train])
    views = {
        "features": sets,
        "unit": {name: scale_to_one(each) for name, each in sets.items()},
        "standardised": {name: scaler.transform(each) for name, each in sets.items()},
    }
    for name, each in images.items():
        print(f"{name}: {len(each)} images")
    print(f"columns: {', '.join(images)};")
    print(f"share of the test set above {ABOVE}; numbers stored; seconds of the fit")
    head = make_poster_pipeline("frozen")[1:].fit(X[train], y.iloc[train])
    rows = compare_distances(views, list(images), head)
    started = time.perf_counter()
    step = FeatureNovelty().fit(X[train])
    seconds = time.perf_counter() - started
    print(f"\nFeatureNovelty was fitted to {len(train)} posters in {seconds:.3f} s")
    del sets["train"]
    shares = check_step(step, encoder, sets, paths[test[: options.n_images]])
    content = {
        "machine": machine(),
        "images": {name: len(each) for name, each in images.items()},
        "distances": rows,
        "FeatureNovelty, share above": shares,
        "FeatureNovelty, seconds of the fit": seconds,
    }
    write_json(options, "study_novelty", content)


if __name__ == "__main__":
    main()
