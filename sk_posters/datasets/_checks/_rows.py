"""Rows of a table of posters, and which of them show the same or belong together."""

from collections import namedtuple
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sk_posters.datasets._checks._near import join_pairs, near_pairs

__all__ = ["Finding", "PosterRows", "sets_of"]

Finding = namedtuple("Finding", "kind severity rows labels detail advice")
# Numbers of looks with mirror images and without, and the largest distance in each.
Looks = namedtuple("Looks", "looks upright distances")


@dataclass(frozen=True)
class PosterRows:
    """Sources, labels and ids of all rows, with what their images say."""

    sources: np.ndarray
    facts: list
    labels: np.ndarray
    names: list
    ids: np.ndarray | None
    max_distance: int | None

    @cached_property
    def images(self):
        """A number for each row's image: the same where all pixels are the same."""
        each = zip(self.sources, self.facts, strict=True)
        return _numbers([source if f.reason else f.pixels for source, f in each])

    @cached_property
    def looks(self):
        """A number for each row's look: the same where images are near duplicates."""
        return self._compared.looks

    @cached_property
    def distances(self):
        """For each look that has near pairs, the largest distance of such a pair."""
        return self._compared.distances

    @cached_property
    def groups(self):
        """A number for each row: the same where ids or looks agree, also in turn."""
        keys = [self.looks] if self.ids is None else [self.looks, self.ids]
        return self._join(keys)

    @cached_property
    def same(self):
        """As `groups`, by ids and exact pixels alone."""
        keys = [self.images] if self.ids is None else [self.images, self.ids]
        return self._join(keys)

    def share_id(self, rows):
        """Return whether all these rows have one id."""
        return self.ids is not None and len(set(self.ids[rows])) == 1

    def names_that_differ(self, rows):
        """Return the names of labels that some of these rows have and others lack."""
        few = self.labels[rows]
        return self.names_of((few == 1).any(axis=0) & (few == 0).any(axis=0))

    def names_of(self, mask):
        """Return the names of some labels."""
        return [self.names[column] for column in np.flatnonzero(mask)]

    def has_mirrored(self, rows):
        """Return whether rows of one look need a mirror image to look alike."""
        return len(set(self._compared.upright[rows])) > 1

    @cached_property
    def _compared(self):
        has_code = np.array([fact.code is not None for fact in self.facts])
        if not has_code.any():
            return Looks(self.images, self.images, {})
        rows = np.flatnonzero(has_code)
        upright, mirrored = (
            np.array([getattr(self.facts[row], name) for row in rows], dtype=np.uint64)
            for name in ("code", "mirrored")
        )
        codes, places = np.unique([upright, mirrored], return_inverse=True)
        of_row, of_mirrored = places.reshape(2, -1)
        in_use = np.unique(of_row)
        pairs, distances = near_pairs(codes[in_use], self.max_distance)
        pairs = in_use[pairs]
        # A copy that was only mirrored has nearly the same hash, and twice as many
        # pairs can be alike by chance.
        close, close_distances = near_pairs(codes, self.max_distance // 2)
        links = np.column_stack([of_row, of_mirrored])
        all_links = np.vstack([pairs, close, links])
        upright_looks = join_pairs(len(codes), pairs)[of_row]
        looks = self._number_looks(rows, join_pairs(len(codes), all_links)[of_row])
        look_of_code = np.empty(len(codes), dtype=np.intp)
        look_of_code[of_row] = look_of_code[of_mirrored] = looks[rows]
        firsts = np.concatenate([pairs[:, 0], close[:, 0]])
        distances = pd.Series(np.concatenate([distances, close_distances]))
        largest = distances.groupby(look_of_code[firsts]).max()
        return Looks(looks, self._number_looks(rows, upright_looks), largest.to_dict())

    def _number_looks(self, rows, looks):
        keys = -1 - self.images  # Images without a hash look like themselves alone.
        keys[rows] = looks
        return _numbers(keys)

    def _join(self, keys):
        rows = np.arange(len(self.sources))
        pairs = [np.column_stack([rows, _first_rows(key)]) for key in keys]
        return join_pairs(len(rows), np.vstack(pairs))


def sets_of(numbers):
    """Return the rows that share a number with others, a set for each such number."""
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    sets = [rows for rows in np.split(order, cuts) if len(rows) > 1]
    return sorted(sets, key=lambda rows: rows[0])


def _first_rows(numbers):
    """Return, for each row, the first one that has the same number."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return first[inverse]


def _numbers(keys):
    """Return a number for each key, from 0 in the order of first appearance."""
    return pd.factorize(pd.Series(list(keys)))[0]
