"""Colours, names, legends and axes that the displays of scores share."""

from sk_posters._base._optional import import_optional
from sk_posters.plotting._text import PLAIN, QUIET

__all__ = [
    "COLOURS",
    "DARK",
    "FULL",
    "MARKERS",
    "PALE",
    "add_legend",
    "add_title",
    "axes_for",
    "check_distinguishable",
    "format_names",
]

# Okabe and Ito's palette, distinguishable with any colour vision, without the
# yellow that is too bright for lines on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
FULL, PALE, DARK = "#0072B2", "#b7d3e8", "#24292f"
MAX_LETTERS = 28
AXIS_HEIGHT = 0.5  # Of ticks and the name of an axis, in inches.


def axes_for(ax, display, size, **options):
    """Return the axes to draw on: those given, or those of a new figure."""
    name = type(display).__name__
    plt = import_optional("matplotlib.pyplot", extra="plot", purpose=name)
    if ax is not None:
        return ax
    return plt.subplots(figsize=size, layout="constrained", **options)[1]


def format_names(names):
    """Return names as they are drawn: positions as words, long names cut."""
    if list(names) == list(range(len(names))):
        return [f"label {j}" for j in names]
    texts = [" ".join(str(name).split()) for name in names]
    longest = MAX_LETTERS
    return [t if len(t) <= longest else f"{t[: longest - 1]}…" for t in texts]


def check_distinguishable(labels):
    """Refuse more curves than can be distinguished."""
    if not 1 <= len(labels) <= len(COLOURS):
        raise ValueError(
            f"labels must name 1 to {len(COLOURS)} curves, as more cannot be "
            f"distinguished: got {len(labels)}."
        )


def add_title(ax, first, *others):
    """Write a title of one or more lines over the axes, the first in bold."""
    styles = [{"weight": "bold", "fontsize": 10}, *[{"color": QUIET}] * len(others)]
    lines = list(zip([first, *others], styles, strict=True))
    return [
        ax.annotate(
            line,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, 6 + 13 * above),
            textcoords="offset points",
            annotation_clip=False,
            **PLAIN | style,
        )
        for above, (line, style) in enumerate(reversed(lines))
    ]


def add_legend(ax, handles, texts):
    """Put a legend under axes, or at the foot of a figure; names as they are."""
    place = {"loc": "outside lower left"}
    if hasattr(ax, "transAxes"):
        transforms = import_optional(
            "matplotlib.transforms", extra="plot", purpose="A legend"
        )
        scale = ax.figure.dpi_scale_trans
        lower = transforms.ScaledTranslation(0, -AXIS_HEIGHT, scale)
        place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "borderaxespad": 0}
        place |= {"bbox_transform": ax.transAxes + lower, "borderpad": 0}
    # Matplotlib omits texts that start with an underscore, so texts are set afterwards.
    legend = ax.legend(
        handles,
        ["text"] * len(handles),
        frameon=False,
        fontsize=PLAIN["fontsize"],
        **place,
    )
    for shown, text in zip(legend.get_texts(), texts, strict=True):
        shown.set(text=text, color=DARK, parse_math=False, usetex=False)
    return legend
