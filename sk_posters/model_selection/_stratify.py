"""Rows or groups of rows → parts of given sizes with each label's share.

Iterative stratification (Sechidis et al. 2011): deal out the label with the fewest rows
left first, then exchange units while that improves the balance. Hand-made, because
iterative-stratification knows no groups and makes folds of uneven sizes.
"""

import numpy as np

__all__ = ["assign_parts"]

# Candidates per part for an exchange: the most promising units.
N_PARTNERS = 50
# Each round exchanges one pair between any two parts. Some rounds are enough in
# practice; the bound keeps the time in proportion to the number of units.
MOST_ROUNDS = 30


def assign_parts(counts, sizes, capacity, rng=None):
    """Give each unit, a row or a group of rows, one of several parts."""
    order = np.arange(len(sizes))
    if rng is not None:
        rng.shuffle(order)
    needed = np.outer(capacity / capacity.sum(), counts.sum(axis=0))
    parts = _stratify(counts, sizes, capacity.copy(), needed, order, rng)
    _exchange(counts, sizes, parts, needed)
    return parts


def _stratify(counts, sizes, room, needed, order, rng):
    """Assign all units, and update room and needed positives of each part."""
    parts = np.empty(len(sizes), dtype=int)
    for now, label in _label_by_label(counts, sizes, order):
        for unit in now:
            fits = room >= sizes[unit]
            best = np.flatnonzero(fits if fits.any() else room == room.max())
            if label is not None:
                best = _greatest(best, needed[best, label])
            best = _greatest(best, room[best])
            several = rng is not None and len(best) > 1
            part = best[rng.randint(len(best)) if several else 0]
            parts[unit] = part
            room[part] -= sizes[unit]
            needed[part] -= counts[unit]
    return parts


def _label_by_label(counts, sizes, order):
    """Yield the units to assign next, and the label that they are chosen by."""
    tiers = np.frexp(sizes.astype(float))[1]
    for tier in np.unique(tiers)[::-1]:
        left = order[tiers[order] == tier]
        n_units = (counts[left] > 0).sum(axis=0)
        while len(left):
            if not n_units.any():
                yield left[np.argsort(-sizes[left], kind="stable")], None
                break
            label = np.argmin(np.where(n_units > 0, n_units, len(order) + 1))
            chosen = counts[left, label] > 0
            now, left = left[chosen], left[~chosen]
            # Counted down, for a new count of all that are left would take a time in
            # proportion to the square of the number of labels.
            n_units -= (counts[now] > 0).sum(axis=0)
            yield now[np.argsort(-sizes[now], kind="stable")], label


def _greatest(places, values):
    # Needs are sums of fractions: equal ones may differ in the last digits.
    return places[values > values.max() - 1e-9]


def _exchange(counts, sizes, parts, needed):
    """Exchange units of equal size between parts while that improves the balance."""
    weight = 1 / np.maximum(counts.sum(axis=0), 1)
    members = [np.flatnonzero(parts == part) for part in range(len(needed))]
    pairs = [(a, b) for a in range(len(needed)) for b in range(a + 1, len(needed))]
    for _ in range(MOST_ROUNDS):
        exchanged = [
            _exchange_one(counts, sizes, members, needed, weight, a, b)
            for a, b in pairs
        ]
        if not any(exchanged):
            break
    for part, units in enumerate(members):
        parts[units] = part


def _exchange_one(counts, sizes, members, needed, weight, a, b):
    """Exchange the best pair of units between two parts, and tell whether one was."""
    if not len(members[a]) or not len(members[b]):
        return False
    gap = needed[a] - needed[b]
    places_a = _most_promising(counts[members[a]] @ (gap * weight))
    places_b = _most_promising(counts[members[b]] @ (-gap * weight))
    units_a, units_b = members[a][places_a], members[b][places_b]
    change = counts[units_a][:, np.newaxis] - counts[units_b]
    # Half of what the sum of weighted squares of needs, a's and b's, grows by.
    growth = (change * gap + change**2) @ weight
    growth[sizes[units_a][:, np.newaxis] != sizes[units_b]] = np.inf
    i, j = np.unravel_index(growth.argmin(), growth.shape)
    if growth[i, j] > -1e-9:
        return False
    members[a][places_a[i]], members[b][places_b[j]] = units_b[j], units_a[i]
    needed[a] += change[i, j]
    needed[b] -= change[i, j]
    return True


def _most_promising(growth):
    """Return the places of the smallest values, in a fixed order."""
    if len(growth) <= N_PARTNERS:
        return np.arange(len(growth))
    return np.sort(np.argpartition(growth, N_PARTNERS)[:N_PARTNERS])
