"""Splits: every row once, groups whole, labels in their shares, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)

from sk_posters import PosterImageLoader
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.model_selection import (
    MultilabelStratifiedGroupKFold,
    MultilabelStratifiedKFold,
    multilabel_train_test_split,
)

FEW = "labels are 1 in fewer than"


@pytest.fixture
def target():
    """Labels that are frequent, rare and as rare as folds allow."""
    generator = np.random.default_rng(0)
    values = (generator.random((200, 4)) < [0.5, 0.2, 0.1, 0]).astype(int)
    values[:5, 3] = 1
    return pd.DataFrame(values, columns=["Drama", "Comedy", "War", "News"])


@st.composite
def tables(draw, most_groups=None):
    """Labels, groups and a number of folds that are possible together."""
    n_splits = draw(st.integers(2, 4))
    n_rows = draw(st.integers(n_splits, 60))
    n_labels = draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    y = (generator.random((n_rows, n_labels)) < generator.random(n_labels)).astype(int)
    n_groups = draw(st.integers(n_splits, most_groups or n_rows))
    groups = generator.integers(0, n_groups, n_rows)
    groups[:n_splits] = np.arange(n_splits)
    return y, groups, n_splits


def quiet_folds(cv, y, groups=None):
    """Return the fold that tests each row, once it is sure that one does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        splits = list(cv.split(y, y, groups))
    folds = np.full(len(y), -1)
    for number, (train, test) in enumerate(splits):
        assert (folds[test] == -1).all()
        folds[test] = number
        np.testing.assert_array_equal(np.setdiff1d(np.arange(len(y)), test), train)
    assert (folds >= 0).all()
    return folds


def furthest(y, folds):
    """Return the greatest difference of a fold's share of a label from all rows'."""
    y = np.asarray(y)
    shares = np.array([y[folds == fold].mean(axis=0) for fold in np.unique(folds)])
    return np.abs(shares - y.mean(axis=0)).max()


@given(tables(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_row_is_tested_once_in_folds_of_even_size(table, shuffle):
    y, _, n_splits = table
    cv = MultilabelStratifiedKFold(
        n_splits, shuffle=shuffle, random_state=0 if shuffle else None
    )
    sizes = np.bincount(quiet_folds(cv, y), minlength=n_splits)
    assert sizes.max() - sizes.min() <= 1
    assert cv.get_n_splits(y, y) == n_splits


@given(tables(), st.permutations(range(5)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_labels_does_not_make_folds_invalid(table, order):
    y, _, n_splits = table
    order = [label for label in order if label < y.shape[1]]
    sizes = np.bincount(quiet_folds(MultilabelStratifiedKFold(n_splits), y[:, order]))
    assert sizes.max() - sizes.min() <= 1


@given(tables(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_groups_never_straddle(table, shuffle):
    y, groups, n_splits = table
    cv = MultilabelStratifiedGroupKFold(
        n_splits, shuffle=shuffle, random_state=0 if shuffle else None
    )
    folds = quiet_folds(cv, y, groups)
    assert pd.Series(folds).groupby(groups).nunique().max() == 1
    largest = np.bincount(groups).max()
    sizes = np.bincount(folds, minlength=n_splits)
    # The largest fold holds more than its share by less than its last group.
    assert sizes.max() < len(y) / n_splits + 1 + largest


@given(tables(), st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_two_parts_hold_each_row_once_and_no_group_straddles(table, seed):
    y, groups, _ = table
    rows = np.arange(len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        train, test, groups_train, groups_test = multilabel_train_test_split(
            rows, groups, stratify=y, groups=groups, test_size=0.5, random_state=seed
        )
    assert sorted([*train, *test]) == list(rows)
    assert set(groups_train).isdisjoint(groups_test)


def test_shares_that_can_be_kept_are_kept():
    y = np.zeros((20, 3), dtype=int)
    y[:5, 0] = y[3:13, 1] = y[::4, 2] = 1
    folds = quiet_folds(MultilabelStratifiedKFold(5), y)
    for label, n_positives in enumerate([1, 2, 1]):
        counts = np.bincount(folds, y[:, label])
        np.testing.assert_array_equal(counts, [n_positives] * 5)


def test_folds_of_groups_are_even_in_rows_not_in_groups():
    groups = np.repeat([0, 1, 2, 3, 4], [6, 3, 3, 2, 4])
    y = np.ones((18, 1), dtype=int)
    folds = quiet_folds(MultilabelStratifiedGroupKFold(3), y, groups)
    np.testing.assert_array_equal(np.bincount(folds), [6, 6, 6])


def test_order_alone_gives_the_folds_without_shuffling(target):
    cv = MultilabelStratifiedKFold()
    first, second = quiet_folds(cv, target), quiet_folds(cv, target)
    np.testing.assert_array_equal(first, second)


def test_a_seed_repeats_the_folds_and_another_changes_them(target):
    def folds(seed):
        return quiet_folds(
            MultilabelStratifiedKFold(shuffle=True, random_state=seed), target
        )

    np.testing.assert_array_equal(folds(0), folds(0))
    assert (folds(0) != folds(1)).any()


@pytest.mark.parametrize(
    "form", [np.asarray, pd.DataFrame, csr_matrix, lambda y: y.to_numpy().tolist()]
)
def test_any_form_of_a_target_gives_the_same_folds(target, form):
    expected = quiet_folds(MultilabelStratifiedKFold(), target)
    found = [
        test for _, test in MultilabelStratifiedKFold().split(target, form(target))
    ]
    for number, test in enumerate(found):
        np.testing.assert_array_equal(test, np.flatnonzero(expected == number))


def test_groups_of_one_row_are_rows(target):
    by_rows = quiet_folds(MultilabelStratifiedKFold(), target)
    names = [f"tt{row}" for row in range(len(target))]
    by_groups = quiet_folds(MultilabelStratifiedGroupKFold(), target, names)
    np.testing.assert_array_equal(by_rows, by_groups)


def test_labels_are_nearer_to_their_shares_than_by_chance(target):
    for seed in range(5):
        ours = MultilabelStratifiedKFold(shuffle=True, random_state=seed)
        chance = KFold(shuffle=True, random_state=seed)
        distances = [furthest(target, quiet_folds(cv, target)) for cv in (ours, chance)]
        assert distances[0] < distances[1] / 2


def test_shares_on_the_real_table(real_posters):
    posters = load_poster_table(real_posters / "train.csv")
    for seed in range(2):
        ours = MultilabelStratifiedGroupKFold(shuffle=True, random_state=seed)
        chance = GroupKFold(shuffle=True, random_state=seed)
        near, far = (
            furthest(posters.target, quiet_folds(cv, posters.target, posters.groups))
            for cv in (ours, chance)
        )
        assert near < far / 5


def test_they_work_as_cv_of_scikit_learn(target):
    X = np.zeros((len(target), 1))
    dummy = DummyClassifier(strategy="stratified", random_state=0)
    assert len(cross_val_score(dummy, X, target, cv=MultilabelStratifiedKFold())) == 5
    search = GridSearchCV(
        dummy, {"random_state": [0, 1]}, cv=MultilabelStratifiedGroupKFold(3)
    )
    search.fit(X, target, groups=np.arange(len(target)) // 2)
    assert search.n_splits_ == 3


def test_groups_are_routed(target):
    target = target.drop(columns="News")
    X = np.zeros((len(target), 1))
    cv = MultilabelStratifiedGroupKFold()
    with config_context(enable_metadata_routing=True):
        requests = cv.get_metadata_routing().split.requests
        assert requests == {"groups": True}
        params = {"groups": np.arange(len(target)) // 2}
        result = cross_validate(DummyClassifier(), X, target, cv=cv, params=params)
        assert cv.set_split_request(groups="Id") is cv
    assert len(result["test_score"]) == 5


def test_they_are_shown_and_cloned_as_scikit_learns_own():
    cv = MultilabelStratifiedKFold(3, shuffle=True, random_state=1)
    shown = "MultilabelStratifiedKFold(n_splits=3, random_state=1, shuffle=True)"
    assert repr(cv) == repr(clone(cv, safe=False)) == shown


def test_parts_have_the_sizes_asked_for(target):
    for sizes, expected in [
        ({}, (150, 50)),
        ({"test_size": 20}, (180, 20)),
        ({"train_size": 0.25}, (50, 150)),
        ({"train_size": 0.5, "test_size": 0.25}, (100, 50)),
    ]:
        train, test = multilabel_train_test_split(
            target, stratify=target, random_state=0, **sizes
        )
        assert (len(train), len(test)) == expected
        share = expected[1] / len(target)
        assert np.abs(test.sum() - share * target.sum()).max() <= 1
        assert set(train.index).isdisjoint(test.index)


def test_parts_keep_their_types(target, tmp_path):
    target = target.iloc[:12, :2]
    posters = make_posters(12, image_size=(32, 32), random_state=0, data_home=tmp_path)
    loader = PosterImageLoader(image_size=(16, 16), n_jobs=1)
    images = loader.fit_transform(posters.data)
    arrays = [target, list(posters.data), images, csr_matrix(target)]
    parts = multilabel_train_test_split(*arrays, stratify=target, random_state=0)
    rows = parts[1].index
    for array, test in zip(arrays, parts[1::2], strict=True):
        assert type(test) is type(array)
    assert parts[3] == [posters.data[row] for row in rows]
    np.testing.assert_array_equal(parts[5], images[rows])
    np.testing.assert_array_equal(parts[7].toarray(), target.loc[rows])


def test_parts_are_shuffled_and_a_seed_repeats_them(target):
    def rows(seed):
        return multilabel_train_test_split(
            np.arange(200), stratify=target, random_state=seed
        )[0].tolist()

    assert rows(0) == rows(0) != rows(1)
    assert rows(0) != sorted(rows(0))


def test_labels_too_rare_for_the_folds_are_named(target):
    target["Reality-TV"] = 0
    target["Sport"] = np.arange(200) < 3
    target["Film"] = 1
    with pytest.warns(UserWarning, match="of 7 labels are") as caught:
        list(MultilabelStratifiedKFold().split(target, target))
    first, second = (str(warning.message) for warning in caught)
    assert "2 of 7 labels are 1 in fewer than 5 rows" in first
    assert "'Reality-TV (0)', 'Sport (3)'" in first
    assert "1 of 7 labels are 0 in fewer than 5 rows" in second
    assert "'Film (0)'" in second


def test_positives_in_one_group_are_too_rare(target):
    groups = np.arange(200) // 5
    with pytest.warns(UserWarning, match=rf"1 of 4 {FEW} 5 groups.*'News "):
        list(MultilabelStratifiedGroupKFold().split(target, target, groups))


def test_two_parts_need_two_positives(target):
    target["Sport"] = np.arange(200) < 1
    with pytest.warns(UserWarning, match=f"1 of 5 {FEW} 2 rows.*some parts lack"):
        multilabel_train_test_split(target, stratify=target)


def test_a_group_larger_than_a_fold_is_reported(target):
    groups = np.where(np.arange(200) < 60, 0, np.arange(200))
    message = r"1 of 141 groups are larger than a fold should be \(40 rows\).* 60 rows"
    target = target[["Drama", "Comedy"]]
    with pytest.warns(UserWarning, match=message):
        splits = list(MultilabelStratifiedGroupKFold().split(target, target, groups))
    sizes = sorted(len(test) for _, test in splits)
    assert sizes == [35, 35, 35, 35, 60]


def test_groups_given_to_the_plain_folds_are_reported(target):
    splits = MultilabelStratifiedKFold().split(target, target, np.arange(200))
    with pytest.warns(UserWarning, match="Use MultilabelStratifiedGroupKFold"):
        next(splits)


BAD_TARGETS = {
    "the target y is None": None,
    "1 dimensions.*use StratifiedKFold": [0, 1, 0, 1],
    "MultiLabelBinarizer": [["Drama"], ["War", "News"], ["War"], []],
    "0 and 1 only: got 2 in row 1": [[0, 1], [2, 1], [0, 0], [1, 1]],
    "0 and 1 only: got 0.5 in row 3": [[0, 1], [1, 1], [0, 0], [1, 0.5]],
}


@pytest.mark.parametrize("message", BAD_TARGETS)
def test_targets_that_are_no_label_matrix_are_refused(message):
    y = BAD_TARGETS[message]
    with pytest.raises(ValueError, match=message):
        next(MultilabelStratifiedKFold(2).split(np.zeros((4, 1)), y))
    with pytest.raises(ValueError, match=message):
        multilabel_train_test_split(np.zeros((4, 1)), stratify=y)


def test_fewer_rows_or_groups_than_folds_are_refused(target):
    few = target[:3]
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of sampl"):
        next(MultilabelStratifiedKFold().split(few, few))
    splits = MultilabelStratifiedGroupKFold().split(target, target, [0, 1] * 100)
    with pytest.raises(ValueError, match=r"n_splits=5 folds of 2 groups.*fewer folds"):
        next(splits)


def test_lengths_that_differ_are_refused(target):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(MultilabelStratifiedKFold().split(target[:100], target))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        multilabel_train_test_split(target[:100], stratify=target)


def test_missing_groups_are_refused(target):
    cv = MultilabelStratifiedGroupKFold()
    with pytest.raises(ValueError, match=r"groups must be given.*got None"):
        next(cv.split(target, target, None))
    groups = ["a", None, *"b" * 198]
    with pytest.raises(
        ValueError, match=r"missing values: got None in row 1 \(1 in al"
    ):
        next(cv.split(target, target, groups))


@pytest.mark.filterwarnings("ignore:1 of 1 groups are larger", f"ignore:. of . {FEW}")
@pytest.mark.filterwarnings("ignore:. of . labels are 0")
def test_one_group_cannot_be_two_parts(target):
    with pytest.raises(ValueError, match=r"leave one part without a row.*1 groups"):
        multilabel_train_test_split(target, stratify=target, groups=["a"] * 200)


def test_no_array_is_refused(target):
    with pytest.raises(ValueError, match="Give at least one array"):
        multilabel_train_test_split(stratify=target)
