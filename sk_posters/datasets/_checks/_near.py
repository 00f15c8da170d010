"""Pairs of hashes that differ in few bits, found without comparing all with all."""

from itertools import combinations, pairwise
from math import comb

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["joined", "near_pairs"]

N_BITS = 64
# In how many parts hashes must agree at most: enough for some ten million of them.
MOST_AGREEING = 4
# How many hashes can be compared in the time in which one is sorted.
SORTING = 10


def near_pairs(codes, max_distance):
    """Return the pairs of hashes that differ in a few bits at most.

    The bits are cut into some parts more than may differ, so that two such hashes agree
    in so many whole parts at least [1]_: only hashes that do are compared. With a
    distance of 6 and one part more, a part has 512 or 1024 values. The more hashes
    there are, the more parts must agree, or else time would grow with the square of
    their number. Where all hashes are near each other, the pairs themselves do.

    Parameters
    ----------
    codes : ndarray of shape (n,), dtype uint64
        The hashes, all different.
    max_distance : int
        In how many bits the hashes of a pair may differ.

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2), dtype int
        Positions in `codes`, the smaller one first, each pair once, sorted.
    distances : ndarray of shape (n_pairs,), dtype int
        The number of bits in which they differ.

    References
    ----------
    .. [1] M. Norouzi, A. Punjani, D. J. Fleet: Fast Search in Hamming Space with
       Multi-Index Hashing. CVPR 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.datasets._checks._near import near_pairs
    >>> near_pairs(np.array([0b1, 0b111, 0b11111], dtype=np.uint64), 2)
    (array([[0, 1],
           [1, 2]]), array([2, 2]))
    """
    found = [np.empty((0, 2), dtype=np.intp)]
    n_agreeing = _agreeing_parts(len(codes), max_distance)
    edges = np.linspace(0, N_BITS, max_distance + n_agreeing + 1).astype(int)
    parts = [_bits(start, end) for start, end in pairwise(edges)]
    for chosen in combinations(range(len(parts)), n_agreeing):
        agreeing = codes & np.bitwise_or.reduce([parts[part] for part in chosen])
        order = np.argsort(agreeing, kind="stable")
        # Each pair is found once: by the first of its parts that agree.
        others = [parts[part] for part in range(chosen[-1]) if part not in chosen]
        found += _near_neighbours(
            codes[order], agreeing[order], order, max_distance, others
        )
    pairs = np.sort(np.concatenate(found), axis=1)
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    return pairs, _distances(codes[pairs[:, 0]], codes[pairs[:, 1]])


def _agreeing_parts(n_codes, max_distance):
    """Return in how many parts hashes shall agree to be compared, for the least work.

    That is to sort all hashes once for each choice of such parts, and to compare those
    that agree, were they drawn.
    """

    def work(n_agreeing):
        n_parts = max_distance + n_agreeing
        bits = N_BITS * n_agreeing / n_parts
        compared = n_codes**2 / 2 ** (bits + 1)
        return comb(n_parts, n_agreeing) * (n_codes * SORTING + compared)

    return min(range(1, MOST_AGREEING + 1), key=work)


def _bits(start, end):
    return np.uint64((1 << int(end)) - (1 << int(start)))


def _near_neighbours(codes, part, order, max_distance, others):
    """Yield near pairs among sorted hashes whose part is the same.

    Those that agree in one of the other parts, too, are left out.
    """
    left, step = np.arange(len(codes)), 0
    while len(left):
        step += 1
        left = left[left + step < len(codes)]
        left = left[part[left] == part[left + step]]
        near = left[_distances(codes[left], codes[left + step]) <= max_distance]
        for other in others:
            near = near[(codes[near] ^ codes[near + step]) & other != 0]
        yield np.column_stack([order[near], order[near + step]])


def _distances(first, second):
    return np.bitwise_count(first ^ second).astype(np.intp)


def joined(n, pairs):
    """Return a number for each item, the same for items that pairs join.

    Parameters
    ----------
    n : int
        Number of items.
    pairs : ndarray of shape (n_pairs, 2), dtype int
        Items that belong together.

    Returns
    -------
    ndarray of shape (n,), dtype int
        Numbers from 0, in the order of each set's first item.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.datasets._checks._near import joined
    >>> joined(5, np.array([[1, 3], [3, 4]])).tolist()
    [0, 1, 2, 1, 1]
    """
    pairs = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
    ones = np.ones(len(pairs), dtype=bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    numbers = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
