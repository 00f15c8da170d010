"""Pairs of hashes that differ in few bits, found without comparing all with all."""

from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["joined", "near_pairs"]

N_BITS = 64


def near_pairs(codes, max_distance):
    """Return the pairs of hashes that differ in a few bits at most.

    The bits are cut into one part more than may differ, so that two such hashes agree
    in one whole part at least [1]_: only hashes that do are compared. With a distance
    of 6, a part has 512 or 1024 values. 100 000 hashes that are as unequal as those of
    real posters take less than a second; a distance of 8 takes four times as long.

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
    >>> from sk_posters._checks._near import near_pairs
    >>> near_pairs(np.array([0b1, 0b111, 0b11111], dtype=np.uint64), 2)
    (array([[0, 1],
           [1, 2]]), array([2, 2]))
    """
    found = [np.empty((0, 2), dtype=np.intp)]
    edges = np.linspace(0, N_BITS, max_distance + 2).astype(int)
    for start, end in pairwise(edges):
        part = (codes >> np.uint64(start)) & np.uint64((1 << int(end - start)) - 1)
        order = np.argsort(part, kind="stable")
        found += _near_neighbours(codes[order], part[order], order, max_distance)
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    return pairs, _distances(codes[pairs[:, 0]], codes[pairs[:, 1]])


def _near_neighbours(codes, part, order, max_distance):
    """Yield near pairs among sorted hashes whose part is the same."""
    left, step = np.arange(len(codes)), 0
    while len(left):
        step += 1
        left = left[left + step < len(codes)]
        left = left[part[left] == part[left + step]]
        near = left[_distances(codes[left], codes[left + step]) <= max_distance]
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
    >>> from sk_posters._checks._near import joined
    >>> joined(5, np.array([[1, 3], [3, 4]])).tolist()
    [0, 1, 2, 1, 1]
    """
    pairs = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
    ones = np.ones(len(pairs), dtype=bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    numbers = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
