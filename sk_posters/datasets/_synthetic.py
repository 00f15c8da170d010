"""Synthetic posters: every genre is a motif, and colour says nothing."""

import colorsys
from io import BytesIO
from numbers import Integral
from os import PathLike

import numpy as np
from PIL import Image
from sklearn.utils import check_random_state
from tqdm import tqdm

from sk_posters._base._compat import Interval, validate_params
from sk_posters.datasets._genres import genres_to_indicators
from sk_posters.datasets._home import (
    find_changed_files,
    get_data_home,
    replace_folder_when_done,
    write_checksums,
)
from sk_posters.datasets._motifs import N_DRAWABLE, draw_ink, motif_title
from sk_posters.datasets._table import (
    GENRE_COLUMN,
    IMAGES_FOLDER,
    TABLE_NAME,
    load_poster_table,
)

__all__ = ["make_posters"]

# Part of the folder's name: raise it whenever the same seed draws something else.
DRAWING_VERSION = 1
CHECKSUMS = "checksums.sha256"

# Shares of the genres in the movie poster data set, in thousandths of its posters.
GENRE_SHARES = {
    **{"Drama": 499, "Comedy": 400, "Action": 188, "Romance": 186, "Crime": 161},
    **{"Thriller": 128, "Adventure": 119, "Documentary": 85, "Horror": 70},
    **{"Mystery": 66, "Fantasy": 64, "Family": 62, "Biography": 58, "Sci-Fi": 56},
    **{"Music": 45, "Animation": 37, "History": 30, "Sport": 28, "War": 20},
    **{"Musical": 15, "Western": 8, "Short": 7, "News": 3, "N/A": 2, "Reality-TV": 1},
}
SHARE_OF_FURTHER_GENRES = 30
# Of all posters, the shares with one, two and three genres.
SHARES_OF_COUNTS = [0.18, 0.305, 0.515]
MAX_GENRES = 3
N_PANELS = 3
SIZE_VARIES = 0.04
# In parts of the poster's width, and in degrees.
PERIODS = (0.055, 0.08)
MAX_TURN = 8
JPEG_QUALITY = 85
NOTHING = -1  # What pixels of the title show of motifs.

DESCR = """\
Synthetic posters

Rows (data, target, groups):   {n_samples}
Labels (target_names):         {n_labels}
Seed of the drawing:           {seed}
Folder:                        {folder}

Each poster is a composition of three panels, and each panel is filled with the motif
of one of its genres, at a random scale, angle and phase. Colours, panels and the title
are drawn by chance: they say nothing about the genres. The genres, with the share of
posters that have them:

{genres}
"""


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_labels": [Interval(Integral, 1, N_DRAWABLE, closed="both")],
        "image_size": [tuple],
        "random_state": ["random_state"],
        "data_home": [str, PathLike, None],
        "return_X_y": ["boolean"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def make_posters(
    n_samples=1000,
    *,
    n_labels=5,
    image_size=(444, 300),
    random_state=None,
    data_home=None,
    return_X_y=False,
    verbose=0,
):
    """Draw synthetic posters whose genres can be learned from what is drawn.

    Every genre is a motif, such as rings or checkers, in random colours at a random
    scale, angle and phase: colours alone are not informative. A poster has
    one to three genres, as unequally frequent as those of real movies; with fewer than
    four labels it has any number of them, none included, so that no label is constant.

    The posters are JPEG files in a folder of ``data_home``, in the layout that
    :func:`load_poster_table` reads. They are drawn once: a second call with the same
    parameters and the same integer ``random_state`` finds them there.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of posters. The first of many posters are the same as those of few.
    n_labels : int, default=5
        Number of genres, at most 324. Up to 25 they are the most frequent genres of
        real movies.
    image_size : tuple of (int, int), default=(444, 300)
        Height and width in pixels, 32 at least. Each poster deviates by up to 4 %.
    random_state : int, RandomState instance or None, default=None
        Seed of the drawing. With an int, the files are the same byte for byte in every
        call with the same versions of NumPy and Pillow; with None, new posters are
        drawn each time, into a folder of their own.
    data_home : str or path-like, default=None
        The folder of all data sets. By default the environment variable
        ``SK_POSTERS_DATA`` names it, else it is ``~/sk_posters_data``.
    return_X_y : bool, default=False
        Whether to return only the paths and the labels.
    verbose : int, default=0
        Whether to show the progress of the drawing.

    Returns
    -------
    posters : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of str, shape (n_samples,)
            Paths of the images.
        target : DataFrame of shape (n_samples, n_labels)
            Integers 0 and 1, one column per genre.
        target_names : list of str
            The names of the genres, sorted.
        groups : ndarray of str, shape (n_samples,)
            The ids, each of them once.
        frame : DataFrame
            Ids, genres as text, and the columns of ``target``.
        DESCR : str
            Description of the posters, with the motif of each genre.

    (data, target) : tuple if ``return_X_y`` is True
        The paths and the labels.

    Raises
    ------
    ValueError
        If posters that were drawn before have been changed since, or damaged.
    OSError
        If they cannot be written.

    See Also
    --------
    fetch_movie_posters : Real posters of 7254 movies.
    load_poster_table : Load your own posters.

    Examples
    --------
    >>> from sk_posters.datasets import make_posters
    >>> posters = make_posters(4, n_labels=5, random_state=0, data_home="data")
    >>> posters.target_names
    ['Action', 'Comedy', 'Crime', 'Drama', 'Romance']
    >>> posters.data.shape, posters.target.shape
    ((4,), (4, 5))
    """
    height, width = _check_image_size(image_size)
    seed = random_state
    if not isinstance(seed, Integral):
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    # The words of the name are the parameters: other ones never meet these files.
    folder = get_data_home(data_home) / (
        f"synthetic_posters_v{DRAWING_VERSION}_{n_samples}x{n_labels}_"
        f"{height}x{width}_seed{seed}"
    )
    if not folder.is_dir():
        with replace_folder_when_done(folder) as work:
            _draw_all(work, n_samples, n_labels, (height, width), seed, verbose)
    elif changed := find_changed_files(folder, CHECKSUMS):
        raise ValueError(
            f"{str(folder)!r} is not what was drawn: {len(changed)} files are damaged "
            f"or missing, such as {changed[0]!r}. Delete the folder, so that it is "
            "drawn again."
        )

    posters = load_poster_table(folder / TABLE_NAME)
    if return_X_y:
        return posters.data, posters.target
    posters.DESCR = DESCR.format(
        n_samples=n_samples,
        n_labels=n_labels,
        seed=seed,
        folder=folder,
        genres="\n".join(
            f"{name:15s} {posters.target[name].mean():5.1%}  {motif_title(number)}"
            for number, name in enumerate(_genre_names(n_labels))
        ),
    )
    return posters


def _check_image_size(image_size):
    valid = len(image_size) == 2 and all(
        isinstance(side, Integral) and side >= 32 for side in image_size
    )
    if not valid:
        raise ValueError(
            "image_size must be a tuple of height and width, two whole numbers of 32 "
            f"or more, got {image_size!r}."
        )
    return tuple(int(side) for side in image_size)


def _genre_names(n_labels):
    """Return the names in the order of their motifs, the most frequent first."""
    known = list(GENRE_SHARES)[:n_labels]
    return known + [f"Genre {k}" for k in range(len(known) + 1, n_labels + 1)]


def _draw_all(folder, n_samples, n_labels, image_size, seed, verbose):
    """Write the posters and their table in the layout of the movie poster data set."""
    names = _genre_names(n_labels)
    probabilities = _probabilities(names)
    (folder / IMAGES_FOLDER).mkdir()
    ids, genres = [], []
    for number in tqdm(range(n_samples), desc="Drawing", disable=not verbose):
        motifs, image, _ = _draw_number(number, probabilities, image_size, seed)
        ids.append(f"synthetic{number:06d}")
        genres.append([names[motif] for motif in motifs])
        # Not by Pillow, which does not say so when the disk is full.
        content = BytesIO()
        image.save(content, "JPEG", quality=JPEG_QUALITY)
        file = folder / IMAGES_FOLDER / f"{ids[-1]}.jpg"
        file.write_bytes(content.getvalue())
    table = genres_to_indicators(genres, sorted(names))
    table.insert(0, "Id", ids)
    table.insert(1, GENRE_COLUMN, [str(row) for row in genres])
    table.to_csv(folder / TABLE_NAME, index=False, lineterminator="\n")
    images = [f"{IMAGES_FOLDER}/{name}.jpg" for name in ids]
    write_checksums(folder, CHECKSUMS, [TABLE_NAME, *images])


def _probabilities(names):
    shares = [GENRE_SHARES.get(name, SHARE_OF_FURTHER_GENRES) for name in names]
    return np.array(shares) / sum(shares)


def _draw_number(number, probabilities, image_size, seed):
    """Return the motifs of one poster, the image, and which motif each pixel shows."""
    # A generator per poster: what it looks like depends on no other poster.
    rng = np.random.default_rng([seed, number])
    motifs = _choose_motifs(rng, probabilities)
    return motifs, *_draw_poster(rng, motifs, image_size)


def _choose_motifs(rng, probabilities):
    n_labels = len(probabilities)
    if n_labels <= MAX_GENRES:
        count = rng.integers(n_labels + 1)
    else:
        count = 1 + rng.choice(MAX_GENRES, p=SHARES_OF_COUNTS)
    return rng.choice(n_labels, size=count, replace=False, p=probabilities)


def _draw_poster(rng, motifs, image_size):
    height, width = (
        round(side * rng.uniform(1 - SIZE_VARIES, 1 + SIZE_VARIES))
        for side in image_size
    )
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    palette = _choose_palette(rng)
    panel_of = _lay_out_panels(rng, x / width, y / height)
    # Motifs leave different amounts of ink. As dark on light and light on dark are
    # equally likely, brightness does not tell them apart.
    ground, ink = np.array([rng.permutation(pair) for pair in palette]).swapaxes(0, 1)
    amount = np.zeros(panel_of.shape, dtype=np.float32)
    shown = np.full(panel_of.shape, NOTHING)
    if len(motifs):
        period = width * rng.uniform(*PERIODS, size=N_PANELS).astype(np.float32)
        # Always the same number of panels, or it would tell the number of genres.
        drawn = rng.permutation(np.resize(motifs, N_PANELS))
        shown = drawn[panel_of]
        for panel in range(N_PANELS):
            inside = np.nonzero(panel_of == panel)
            v, u = np.array(inside, dtype=np.float32) / period[panel]
            amount[inside] = draw_ink(drawn[panel], *_place_motif(rng, u, v))
    shade = _shade(rng, x / width, y / height)
    canvas = np.stack(
        [
            (ground[panel_of, c] + amount * (ink - ground)[panel_of, c]) * shade
            for c in range(3)
        ],
        axis=-1,
    )
    shown[_draw_title(rng, canvas, palette)] = NOTHING
    return Image.fromarray((canvas * 255).clip(0, 255).astype(np.uint8)), shown


def _choose_palette(rng):
    """Return a dark and a light colour per panel, shape (N_PANELS, 2, 3)."""
    hues = rng.uniform() + np.array([0, rng.uniform(0.04, 0.12), 0.5])
    palette = [
        [
            colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.5, 0.9), rng.uniform(0.1, 0.3)),
            colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.1, 0.4), rng.uniform(0.85, 1)),
        ]
        for hue in rng.permutation(hues)
    ]
    return np.array(palette, dtype=np.float32)


def _lay_out_panels(rng, x, y):
    """Cut the poster by two parallel lines at any angle into panels of alike size."""
    angle = rng.uniform(0, np.pi)
    place = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    shares = [rng.uniform(0.3, 0.36), rng.uniform(0.64, 0.7)]
    low, high = np.quantile(place[::11, ::11], shares)
    return (place > low).astype(np.intp) + (place > high)


def _shade(rng, x, y):
    """Return a soft gradient of brightness in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return 1 + np.float32(0.4) * ((x - 0.5) * cos + (y - 0.5) * sin)


def _place_motif(rng, x, y):
    """Turn the pixels of a panel a little, around one of them."""
    # So the middle of rings or rays lies within the panel.
    middle = rng.integers(len(x))
    angle = np.deg2rad(rng.uniform(-MAX_TURN, MAX_TURN))
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = x - x[middle], y - y[middle]
    return x * cos - y * sin, x * sin + y * cos


def _draw_title(rng, canvas, palette):
    """Paint a bar with blocks in place of letters, and return its rows."""
    height, width = canvas.shape[:2]
    paper, letters = rng.permutation(palette[rng.integers(N_PANELS)])
    thickness = round(height * 0.17)
    place = slice(-thickness, None) if rng.uniform() < 0.7 else slice(thickness)
    bar = canvas[place]
    bar[:] = paper
    lines = [(0.2, 0.6, 0.06), (0.7, 0.76, 0.02), (0.83, 0.89, 0.02)]
    for top, bottom, letter in lines:
        left, right = rng.uniform(0.08, 0.2), rng.uniform(0.8, 0.92)
        rows = slice(round(len(bar) * top), round(len(bar) * bottom))
        while left < right:
            end = left + letter * rng.uniform(0.5, 1.3)
            bar[rows, round(width * left) : round(width * min(end, right))] = letters
            left = end + letter * (0.2 if rng.uniform() < 0.8 else 0.8)
    return place
