"""Work grows in proportion to rows and labels: operations are counted, not seconds."""

from types import SimpleNamespace

import numpy as np
import pytest

from sk_posters._base._disk_cache import ArrayStore
from sk_posters._images._cache import ImageStore
from sk_posters.datasets._checks import _near
from sk_posters.datasets._checks._leaks import leaks
from sk_posters.model_selection._stratify import _label_by_label
from sk_posters.model_selection._threshold_search import F1Search, ThresholdSearch


class CountedReads(np.ndarray):
    """An array that counts the cells that are read from it."""

    n_read = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        CountedReads.n_read += np.size(found)
        return np.asarray(found)


@pytest.fixture
def compared(monkeypatch):
    """The numbers of hashes that were compared."""
    sizes, distances = [], _near._distances

    def counted(first, second):
        sizes.append(len(first))
        return distances(first, second)

    monkeypatch.setattr(_near, "_distances", counted)
    return sizes


def drawn_codes(n, seed=0):
    codes = np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)
    return np.unique(codes)


def test_hashes_that_become_more_are_not_compared_all_with_all(compared):
    counts = []
    for n in (2**12, 2**17):
        compared.clear()
        _near.near_pairs(drawn_codes(n), 6)
        counts.append(sum(compared))
    assert counts[1] < 2**17 * 100  # All with all: 2 ** 33.
    assert counts[1] / counts[0] < 2 * 2**5


@pytest.mark.parametrize("n_agreeing", [1, 2, 3, 4])
@pytest.mark.parametrize("max_distance", [0, 1, 6, 12])
def test_near_pairs_are_found_once_in_however_many_parts(
    n_agreeing, max_distance, monkeypatch
):
    monkeypatch.setattr(_near, "_choose_n_parts", lambda n, distance: n_agreeing)
    generator = np.random.default_rng(n_agreeing)
    codes = drawn_codes(30)
    for n_bits in (1, 2, 5, 6, 7, 12, 13):
        bits = [generator.choice(64, n_bits, replace=False) for _ in range(30)]
        changes = [sum(1 << int(bit) for bit in each) for each in bits]
        codes = np.append(codes, codes[:30] ^ np.array(changes, dtype=np.uint64))
    codes = generator.permutation(np.unique(codes))
    pairs, distances = _near.near_pairs(codes, max_distance)
    all_with_all = np.bitwise_count(codes[:, np.newaxis] ^ codes).astype(int)
    expected = np.argwhere(np.triu(all_with_all <= max_distance, 1))
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(distances, all_with_all[tuple(expected.T)])


def test_more_hashes_must_agree_in_more_parts():
    parts = [_near._choose_n_parts(n, 6) for n in (10, 10**4, 10**6, 10**7, 10**9)]
    assert parts == [1, 1, 2, 3, _near.MOST_AGREEING]


class CountedGroups(SimpleNamespace):
    """Rows of a table whose groups are asked for, and counted."""

    n_asked = 0

    @property
    def groups(self):
        self.n_asked += 1
        return self.numbers


@pytest.mark.parametrize("n_groups", [3, 300])
def test_leaks_look_at_all_rows_as_often_however_many_groups_leak(n_groups):
    numbers = np.repeat(np.arange(n_groups), 2)
    posters = CountedGroups(numbers=numbers, share_id=lambda rows: True)
    even, odd = np.arange(0, 2 * n_groups, 2), np.arange(1, 2 * n_groups, 2)
    found = list(leaks(posters, [(even, odd)]))
    assert [each.rows.tolist() for each in found] == [
        [2 * group, 2 * group + 1] for group in range(n_groups)
    ]
    assert "rows [2] train and rows [3] test" in found[1].detail
    assert posters.n_asked < 6


def test_a_leak_names_the_rows_of_its_first_split_in_order():
    posters = SimpleNamespace(groups=np.array([0, 1, 0, 1, 0]), share_id=lambda r: True)
    splits = [([1], [3, 1]), ([4, 0, 0], [2, 4])]
    splits = [tuple(map(np.array, split)) for split in splits]
    first, second = leaks(posters, splits)
    assert "in split 1, rows [0, 4] train and rows [2, 4] test" in first.detail
    assert "in split 0, rows [1] train and rows [1, 3] test" in second.detail


@pytest.mark.parametrize("n_labels", [5, 80])
def test_stratification_reads_each_pair_a_few_times(n_labels):
    generator = np.random.default_rng(0)
    counts = (generator.random((200, n_labels)) < 0.05).astype(float)
    CountedReads.n_read = 0
    units = _label_by_label(
        counts.view(CountedReads), np.ones(200, dtype=int), np.arange(200)
    )
    placed = np.concatenate([now for now, _ in units])
    assert sorted(placed) == list(range(200))
    assert CountedReads.n_read <= 3 * counts.size


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_one_threshold_for_all_labels_tries_no_label_with_all_scores(
    average, monkeypatch
):
    generator = np.random.default_rng(0)
    labels = (generator.random((40, 12)) < 0.3).astype(int)
    labels[:, 0] = 0
    scores = generator.random((40, 12)).round(2)
    cutoffs = F1Search(labels, scores, None, average)
    expected = ThresholdSearch.for_all(cutoffs)
    tried = []
    monkeypatch.setattr(cutoffs, "_outcomes", lambda *given: tried.append(given))
    found = cutoffs.for_all()
    assert tried == []
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


@pytest.mark.parametrize("is_cleared", [False, True])
def test_stores_of_a_stream_of_batches_list_the_folder_once(
    is_cleared, tmp_path, monkeypatch
):
    listed, make_room = [], ArrayStore._make_room

    def counted(store):
        listed.append(store.folder)
        return make_room(store)

    monkeypatch.setattr(ArrayStore, "_make_room", counted)
    for number in range(5):
        store = ImageStore(str(tmp_path), max_bytes=10**6)  # As each call makes one.
        store.write(f"{number:032x}", np.zeros((2, 2, 3), dtype=np.uint8))
        if is_cleared:
            assert store.clear() == 1
    assert len(listed) == (5 if is_cleared else 1)


def test_a_bound_holds_for_all_stores_of_a_folder_together(tmp_path):
    entry = np.zeros((10, 10, 3), dtype=np.uint8)
    for number in range(40):
        ImageStore(str(tmp_path), max_bytes=3040).write(f"{number:032x}", entry)
        kept = list(tmp_path.glob("??/*.rgb"))
        assert 304 * len(kept) <= 3040
