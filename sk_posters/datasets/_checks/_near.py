"""Pairs of hashes that differ in few bits, found without comparing all with all."""

from itertools import combinations, pairwise
from math import comb

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["join_pairs", "near_pairs"]

N_BITS = 64
# In how many parts hashes must agree at most: enough for some ten million of them.
MOST_AGREEING = 4
# How many hashes can be compared in the time in which one is sorted.
SORTING = 10


def near_pairs(codes, max_distance):
    """Return the pairs of hashes that differ in a few bits at most."""
    found = [np.empty((0, 2), dtype=np.intp)]
    n_agreeing = _choose_n_parts(len(codes), max_distance)
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


def _choose_n_parts(n_codes, max_distance):
    """Return in how many parts hashes must agree to be compared, for least work."""

    def work(n_agreeing):
        n_parts = max_distance + n_agreeing
        bits = N_BITS * n_agreeing / n_parts
        compared = n_codes**2 / 2 ** (bits + 1)
        return comb(n_parts, n_agreeing) * (n_codes * SORTING + compared)

    return min(range(1, MOST_AGREEING + 1), key=work)


def _bits(start, end):
    return np.uint64((1 << int(end)) - (1 << int(start)))


def _near_neighbours(codes, part, order, max_distance, others):
    """Yield near pairs among sorted hashes whose part is the same."""
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


def join_pairs(n, pairs):
    """Return a number for each item, the same for items that pairs join."""
    pairs = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
    ones = np.ones(len(pairs), dtype=bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    numbers = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
