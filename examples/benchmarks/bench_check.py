"""What does `check_posters` find of what was planted, and what besides?

Duplicates: copies of some posters are changed in one way each. Which are found, at
several values of `max_distance`, and how many pairs of all posters look alike? Labels:
a tenth of the ones is forgotten, or as many as a twentieth of them are put elsewhere.
How many are among the first that are listed, with out-of-fold probabilities of the
recipe `"frozen"`? Posters are drawn, or your own (`--data`).
"""

import io
from pathlib import Path

import numpy as np
from _common import Side, in_turn, load, parsed, parser, report

DISTANCES = (6, 8, 10)
N_FIRST = 200
N_SEEDS = 3
N_FOLDS = 5


def changed(image):
    """Return copies of an image, by what was changed."""
    from PIL import Image, ImageEnhance, ImageOps

    width, height = image.size

    def crop(percent):
        x, y = (round(side * percent / 100) for side in image.size)
        return image.crop((x, y, width - x, height - y))

    def add_logo():
        logo = Image.new("RGB", (width // 3, height // 10), "white")
        copy = image.copy()
        copy.paste(logo, (width - logo.width - 5, height - logo.height - 5))
        return copy

    return {
        "half the size": image.resize((width // 2, height // 2)),
        "quality 30": image,
        "brighter by 30 %": ImageEnhance.Brightness(image).enhance(1.3),
        "darker by 30 %": ImageEnhance.Brightness(image).enhance(0.7),
        "more contrast": ImageEnhance.Contrast(image).enhance(1.3),
        "grey": image.convert("L"),
        "stretched by 10 %": image.resize((width, round(height * 1.1))),
        "cropped by 1 % a side": crop(1),
        "cropped by 2 % a side": crop(2),
        "cropped by 4 % a side": crop(4),
        "white border of 3 %": ImageOps.expand(image, round(width * 0.03), "white"),
        "white patch in a corner": add_logo(),
        "mirrored": ImageOps.mirror(image),
        "mirrored, half the size": ImageOps.mirror(
            image.resize((width // 2, height // 2))
        ),
        "mirrored, cropped by 1 % a side": ImageOps.mirror(crop(1)),
    }


def encode(image, quality):
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def duplicates(job):
    """Return shares of changed copies found, and pairs of all that look alike."""
    from PIL import Image

    paths = sorted({str(path) for path in load_posters(job).data})
    rng = np.random.default_rng(0)
    originals = rng.choice(paths, min(job.n_copies, len(paths)), replace=False)
    copies = {}
    for path in originals:
        with Image.open(path) as image:
            for change, copy in changed(image.convert("RGB")).items():
                quality = 30 if change == "quality 30" else 90
                copies.setdefault(change, []).append(encode(copy, quality))
    figures = {}
    of_originals = hashes(list(originals))
    for change, contents in copies.items():
        of_copies = hashes(contents)
        for most in DISTANCES:
            is_found = [
                look_alike(*both, most)
                for both in zip(of_originals, of_copies, strict=True)
            ]
            figures[f"{change}: share found at {most}"] = float(np.mean(is_found))
    return {**figures, **count_pairs(hashes(paths))}


def hashes(images):
    """Return the hashes of each image and of its mirror image."""
    from sk_posters._images._sources import check_sources
    from sk_posters.datasets._checks._files import read_facts

    sources = list(check_sources(images))
    facts = read_facts(list(dict.fromkeys(sources)), with_codes=True, n_jobs=-1)
    return [(facts[source].code, facts[source].mirrored) for source in sources]


def look_alike(first, second, max_distance):
    """Return whether `check_posters` takes two images for near duplicates."""
    if None in first or None in second:
        return False
    upright, mirrored = ((first[0] ^ code).bit_count() for code in second)
    return upright <= max_distance or mirrored <= max_distance // 2


def count_pairs(codes):
    """Return how many pairs of images are near duplicates, upright and mirrored."""
    codes = np.array([both for both in codes if None not in both], dtype=np.uint64)
    upright, mirrored = codes.T
    figures = {}
    for most in DISTANCES:
        counts = np.zeros(2, dtype=int)
        for row in range(len(codes) - 1):
            near = np.bitwise_count(upright[row] ^ upright[row + 1 :]) <= most
            turned = np.bitwise_count(upright[row] ^ mirrored[row + 1 :]) <= most // 2
            counts += near.sum(), (turned & ~near).sum()
        figures[f"pairs of all posters at {most}"] = int(counts[0])
        figures[f"mirrored pairs of all posters at {most}"] = int(counts[1])
    return figures


def labels(job):
    """Return how many planted labels are among the first that are listed."""
    import warnings

    from sk_posters import PosterEncoder

    posters = load_posters(job)
    features = np.asarray(PosterEncoder().fit_transform(posters.data))
    target = posters.target.to_numpy()
    figures = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Some labels are too rare.
        for kind, plant in (("forgotten", forget), ("wrong", put_elsewhere)):
            runs = []
            for seed in range(N_SEEDS):
                planted = plant(target, np.random.default_rng(seed))
                data = features, np.where(planted, 1 - target, target), posters.groups
                runs.append((*count_found(*data, planted, kind, seed), planted.sum()))
            names = f"found among the first {N_FIRST}", "listed", "planted"
            for name, values in zip(names, zip(*runs, strict=True), strict=True):
                figures[f"{kind} labels, {name}"] = float(np.mean(values))
    return figures


def forget(target, rng):
    """Return which labels are to be turned: a tenth of the ones."""
    return (target == 1) & (rng.random(target.shape) < 0.1)


def put_elsewhere(target, rng):
    """Return which labels are to be turned: zeros, a twentieth as many as ones."""
    share = 0.05 * target.sum() / (target == 0).sum()
    return (target == 0) & (rng.random(target.shape) < share)


def count_found(features, target, groups, planted, kind, seed):
    """Return how many of the first of a kind were planted, and how many are listed."""
    from sklearn.model_selection import cross_val_predict

    from sk_posters import make_poster_pipeline
    from sk_posters.datasets._checks._label_findings import find_suspicious_pairs
    from sk_posters.model_selection import MultilabelStratifiedGroupKFold

    folds = MultilabelStratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    # Without its encoder, on averages that are to be standardised.
    head = make_poster_pipeline(C=1e-3, with_std=True)[1:]
    probabilities = cross_val_predict(
        *(head, features, target), groups=groups, cv=folds, method="predict_proba"
    )
    rows, columns = find_suspicious_pairs(target, probabilities).T
    of_kind = target[rows, columns] == (1 if kind == "wrong" else 0)
    hits = planted[rows, columns][of_kind]
    return hits[:N_FIRST].sum(), len(hits)


def load_posters(job):
    return load(job.folder and Path(job.folder), job.n_samples)


def main(arguments=None):
    options = parser(__doc__, repeat=1, n_samples=1000)
    options.add_argument(
        "--n-copies",
        type=int,
        default=150,
        help="posters that are changed in each way (default: 150)",
    )
    options = parsed(options, arguments)
    job = {
        "folder": options.data and str(options.data.resolve()),
        "n_samples": options.n_samples,
        "n_copies": options.n_copies,
    }
    sides = {"duplicates": Side("duplicates"), "labels": Side("labels")}
    runs = in_turn(__file__, sides, job, options.repeat)
    report(__file__, options, runs)


if __name__ == "__main__":
    main()
