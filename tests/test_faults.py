"""Killed, full, read-only, at once, corrupted: what is written is right or refused.

The benchmark `bench_faults.py` does the same with many more trials, and on real disks.
"""

import errno
import os
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from sk_posters._base._atomic import remove_abandoned, replace_when_done, write_file
from sk_posters.datasets import make_posters
from sk_posters.datasets._home import (
    MARK,
    MARKED,
    find_changed_files,
    lock_folder,
    replace_folder_when_done,
    write_checksums,
)

FOLDER = Path(__file__).parents[1] / "examples" / "benchmarks"
sys.path.insert(0, str(FOLDER))

import _faults  # noqa: E402
import _written  # noqa: E402

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system cannot fork processes"
)
DAYS = 3 * 24 * 3600


# The others are written by the same few lines as these.
KINDS = ["image store", "feature store", "make_posters", "fetch_movie_posters"]
KINDS += ["model file", "answers of the command", "Parquet of answers"]


@pytest.fixture(
    scope="module", params=[kind for kind in KINDS if kind in _written.available()]
)
def trials(request, tmp_path_factory):
    """Trials of one kind of file."""
    shared = tmp_path_factory.mktemp("shared")
    return _faults.Trials(_written.KINDS[request.param](str(shared)), seed=1)


@pytest.mark.parametrize("fault", _faults.FAULTS)
def test_no_fault_makes_a_wrong_prediction(trials, fault, monkeypatch):
    if fault not in _faults.faults_of(trials.kind):
        pytest.skip("no program of the package reads this file")
    if fault == "read-only" and not _faults.can_be_read_only():
        pytest.skip("nothing is read-only for root, who cannot mount a disk here")
    # Mounting takes time; a limit of a file's size serves as well.
    monkeypatch.setattr(_faults, "can_mount", lambda: _is_needed(fault))
    n_trials = 3 if fault == "kill -9" else 1
    found = _faults.run(trials.kind, fault, n_trials, trials=trials)
    assert found[_faults.RIGHT] + found[_faults.CLEAR] == n_trials
    assert found[_faults.LEFTOVERS] == 0


def _is_needed(fault):
    return fault == "read-only" and os.geteuid() == 0


@pytest.fixture(scope="module")
def image_trials(tmp_path_factory):
    return _faults.Trials(_written.Images(str(tmp_path_factory.mktemp("shared"))))


def test_a_wrong_prediction_would_be_noticed(image_trials):
    trials = image_trials
    with _faults.work_folder() as folder:
        trials.in_child(trials.kind.write, folder)
        expected, trials.expected = trials.expected, "something else"
        try:
            assert trials.aftermath(folder)[0] == _faults.WRONG
        finally:
            trials.expected = expected


def test_an_error_without_a_file_would_be_noticed(image_trials):
    found = image_trials._kind_of(OSError(errno.ENOSPC, "No space left"), "/folder")
    assert image_trials.notes == ["OSError(28, 'No space left')"]
    assert found == _faults.UNCLEAR


def aged(path):
    then = time.time() - DAYS
    os.utime(path, (then, then))
    return path


def test_files_abandoned_days_ago_are_removed(tmp_path):
    old, new, other, foreign = (
        tmp_path / f".{stem}.{digit * 32}.part.txt"
        for stem, digit in [("it", "a"), ("it", "b"), ("other", "c"), ("it.x", "d")]
    )
    for path in (old, new, other, foreign):
        path.touch()
    for path in (old, other, foreign):
        aged(path)
    write_file(tmp_path / "it.txt", b"whole")
    assert not old.exists()
    assert new.exists()
    assert other.exists()
    assert foreign.exists()


def test_files_of_an_unlistable_folder_stay(tmp_path):
    remove_abandoned(tmp_path / "missing", ".*")
    assert not (tmp_path / "missing").exists()


def make_part(folder, name, digit, *, marked=True):
    """Make a folder as killed processes leave it, with a folder in it."""
    part = folder / f"{name}.{digit * 32}.part"
    (part / "Images").mkdir(parents=True)
    if marked:
        (part / MARK).write_text(MARKED)
        aged(part / MARK)
    aged(part / "Images")
    return aged(part)


def test_an_abandoned_folder_is_removed_unless_a_file_in_it_is_new(tmp_path):
    old, other = make_part(tmp_path, "it", "a"), make_part(tmp_path, "other", "b")
    busy = make_part(tmp_path, "it", "c")
    (busy / "new").touch()
    empty = tmp_path / f"it.{'d' * 32}.part"
    empty.mkdir()
    aged(empty)
    with replace_folder_when_done(tmp_path / "it") as work:
        assert (work / MARK).exists()
    assert not old.exists()
    assert not other.exists()
    assert not empty.exists()
    assert busy.exists()
    assert list((tmp_path / "it").iterdir()) == []


def test_what_only_has_the_name_of_a_temporary_folder_stays(tmp_path):
    foreign = make_part(tmp_path, "it", "a", marked=False)
    file = tmp_path / f"it.{'b' * 32}.part"
    file.write_text("of somebody else")
    aged(file)
    empty = tmp_path / f"other.{'c' * 32}.part"
    empty.mkdir()
    aged(empty)
    with replace_folder_when_done(tmp_path / "it"):
        pass
    assert (foreign / "Images").exists()
    assert file.read_text() == "of somebody else"
    assert empty.exists()


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOSPC, "Free some space, or write to another disk"),
        (errno.EFBIG, "Free some space, or write to another disk"),
        (errno.EROFS, "Make the folder writable, or write to another"),
        (errno.EIO, "The disk may fail: write to another"),
    ],
)
def test_an_error_of_the_disk_names_the_file_and_what_to_do(tmp_path, number, step):
    path = tmp_path / "it.txt"
    path.write_text("before")
    message = (
        rf"Cannot write '{path}' \(.*\); what was there before is unchanged. {step}"
    )
    with pytest.raises(OSError, match=message) as caught, replace_when_done(path):
        raise OSError(number, "text")
    assert caught.value.errno == number
    assert path.read_text() == "before"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Cannot write .*Make it first"):
        write_file(tmp_path / "missing" / "it.txt", b"")


@pytest.mark.parametrize(
    "error",
    [
        OSError("no number"),
        OSError(errno.EPIPE, "closed"),
        FileNotFoundError(errno.ENOENT, "missing", "/another"),
    ],
)
def test_errors_that_are_not_of_the_disk_pass(tmp_path, error):
    with (
        pytest.raises(OSError, match=r".") as caught,
        replace_when_done(tmp_path / "it"),
    ):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("name", ["train.csv", "Images/synthetic000001.jpg"])
def test_a_drawn_poster_that_has_changed_is_refused(tmp_path, name):
    def drawn():
        return make_posters(
            2, n_labels=2, image_size=(32, 32), random_state=0, data_home=tmp_path
        )

    folder = Path(drawn().data[0]).parents[1]
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    message = f"1 files are damaged or missing, such as '{name}'. Delete the folder"
    with pytest.raises(ValueError, match=message) as caught:
        drawn()
    assert str(folder) in str(caught.value)


def test_posters_drawn_before_there_were_checksums_are_taken(tmp_path):
    (tmp_path / "a").write_text("a")
    assert find_changed_files(tmp_path, "sums") == []
    write_checksums(tmp_path, "sums", ["a"])
    assert find_changed_files(tmp_path, "sums") == []


@pytest.mark.parametrize("line", ["no sum", f"{'0' * 64}  a", f"{'0' * 64}  a\0b"])
def test_damaged_checksums_are_noticed(tmp_path, line):
    (tmp_path / "a").write_text("a")
    (tmp_path / "sums").write_text(line)
    assert len(find_changed_files(tmp_path, "sums")) == 1


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "it.lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic link"), lock_folder(tmp_path / "it"):
        pass
    assert not (tmp_path / "target").exists()


def test_one_process_at_a_time_makes_a_folder(tmp_path):
    with lock_folder(tmp_path / "it"):
        waiting = FileLock(tmp_path / "it.lock", is_singleton=False)
        with pytest.raises(Timeout):
            waiting.acquire(timeout=0)
    with waiting.acquire(timeout=0):
        assert (tmp_path / "it.lock").exists()
