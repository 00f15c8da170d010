"""Motifs: patterns that a genre is drawn with, each as a function of the plane.

A motif takes two arrays of coordinates, measured in periods of the pattern, and
returns a field of about a signed distance: positive where there is ink.
"""

from itertools import combinations

import numpy as np

__all__ = ["MOTIFS", "N_DRAWABLE", "draw_ink", "motif_title"]


def _wave(x):
    """Return a triangle wave of period 1: 0 at whole numbers, .5 halfway between."""
    return np.abs(x - np.rint(x))


def _cell(x):
    """Return the position within a tile, from -.5 to .5."""
    return x - np.rint(x)


def _stripes(u, v):
    return _wave(v) - 0.25


def _columns(u, v):
    return _wave(u) - 0.25


def _diagonals_up(u, v):
    return _wave((u + v) * 0.7) - 0.25


def _diagonals_down(u, v):
    return _wave((u - v) * 0.7) - 0.25


def _rings(u, v):
    return _wave(np.hypot(u, v)) - 0.25


def _checkers(u, v):
    a, b = _wave(u * 0.7) - 0.25, _wave(v * 0.7) - 0.25
    return np.sign(a * b) * np.minimum(np.abs(a), np.abs(b))


def _dots(u, v):
    return 0.3 - np.hypot(_cell(u), _cell(v))


def _zigzag(u, v):
    return _wave(v + 1.2 * _wave(u * 0.6)) - 0.25


def _rays(u, v):
    radius = np.hypot(u, v)
    return (_wave(np.arctan2(v, u) * (9 / np.pi)) - 0.25) * radius * (np.pi / 9)


def _triangles(u, v):
    x, y = _wave(u * 0.7), _cell(v * 0.7)
    return (0.25 + y / 2) - x


def _crosses(u, v):
    x, y = np.abs(_cell(u * 0.8)), np.abs(_cell(v * 0.8))
    return np.minimum(0.14 - np.minimum(x, y), 0.4 - np.maximum(x, y))


def _ripples(u, v):
    return _wave(v + 0.3 * np.sin(u * 4)) - 0.25


def _lattice(u, v):
    return 0.12 - np.minimum(_wave(u), _wave(v))


def _bricks(u, v):
    course = np.floor(v * 1.4)
    x = _wave(u * 0.7 + 0.5 * (course % 2))
    return np.minimum(x, np.abs(_cell(v * 1.4 + 0.5) % 1 - 0.5) * 0.7) - 0.08


def _scales(u, v):
    row = np.floor(v * 1.4)
    x = _cell(u + 0.5 * (row % 2))
    return _wave(np.hypot(x, v * 1.4 - row) * 1.5) - 0.25


def _diamonds(u, v):
    return 0.32 - np.abs(_cell(u)) - 0.55 * np.abs(_cell(v * 0.6))


def _frames(u, v):
    distance = np.maximum(np.abs(_cell(u * 0.6)), np.abs(_cell(v * 0.6)))
    return _wave(distance * 2.5) - 0.25


def _saltires(u, v):
    return _crosses((u + v) * 0.7, (u - v) * 0.7)


def _hoops(u, v):
    return 0.1 - np.abs(np.hypot(_cell(u * 0.8), _cell(v * 0.8)) - 0.3)


def _bubbles(u, v):
    turn = np.sqrt(3) / 2
    waves = [u, -u / 2 + turn * v, -u / 2 - turn * v]
    return sum(np.cos(5 * wave) for wave in waves) / 6


def _dashes(u, v):
    row = np.floor(v * 1.2)
    x = _wave(u * 0.5 + 0.37 * row)
    return np.minimum(0.33 - x, _wave(v * 1.2) - 0.2)


def _spiral(u, v):
    turns = np.arctan2(v, u) / (2 * np.pi)
    return _wave(np.hypot(u, v) * 0.8 + 2 * turns) - 0.25


def _half_moons(u, v):
    x, y = _cell(u * 0.8), _cell(v * 0.8)
    return np.minimum(0.42 - np.hypot(x, y), np.hypot(x - 0.22, y) - 0.32)


def _flowers(u, v):
    x, y = _cell(u * 0.7), _cell(v * 0.7)
    points = 0.5 + 0.5 * np.cos(5 * np.arctan2(x, -y))
    return 0.17 + 0.28 * points - np.hypot(x, y)


def _plaid(u, v):
    a, b = _wave(u * 0.6) - 0.25, _wave(v * 0.6) - 0.25
    return np.maximum(np.minimum(a, _wave(v * 3) - 0.25), np.minimum(b, -a))


# The first ones go to the most frequent genres, so they are the easiest to tell apart.
MOTIFS = {
    "stripes": _stripes,
    "columns": _columns,
    "dots": _dots,
    "rising diagonals": _diagonals_up,
    "checkers": _checkers,
    "falling diagonals": _diagonals_down,
    "crosses": _crosses,
    "rings": _rings,
    "zigzag": _zigzag,
    "triangles": _triangles,
    "lattice": _lattice,
    "rays": _rays,
    "scales": _scales,
    "frames": _frames,
    "diamonds": _diamonds,
    "ripples": _ripples,
    "hoops": _hoops,
    "flowers": _flowers,
    "bricks": _bricks,
    "bubbles": _bubbles,
    "dashes": _dashes,
    "half-moons": _half_moons,
    "spiral": _spiral,
    "saltires": _saltires,
    "plaid": _plaid,
}
FIELDS = list(MOTIFS.values())
PAIRS = list(combinations(range(len(FIELDS)), 2))
PAIRS.remove((0, 1))  # Stripes against columns are checkers, which are there already.
N_DRAWABLE = len(FIELDS) + len(PAIRS)

SHARE_OF_EDGES = 0.1
SAMPLED = 17  # A sample of every 17th point is enough to know the share.


def draw_ink(number, u, v):
    """Return how much ink a motif leaves at each point."""
    if number < len(FIELDS):
        field = FIELDS[number](u, v)
        # Edges are soft, and with every motif the same share of points lies on them:
        # otherwise the amount of half-tones, which is a colour, would tell the motif.
        softness = np.quantile(np.abs(field[::SAMPLED]), SHARE_OF_EDGES)
        return np.clip(field / max(2 * softness, 1e-3) + 0.5, 0, 1)
    first, second = PAIRS[number - len(FIELDS)]
    a, b = draw_ink(first, u, v), draw_ink(second, u, v)
    return a + b - 2 * a * b


def motif_title(number):
    """Return the name of a motif."""
    titles = list(MOTIFS)
    if number < len(titles):
        return titles[number]
    first, second = PAIRS[number - len(titles)]
    return f"{titles[first]} against {titles[second]}"
