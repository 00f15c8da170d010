"""Errors of the machine are raised; only errors of an image make it a black one."""

import errno
import os
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from sk_posters import PosterEncoder, PosterImageLoader
from sk_posters._images import _decoding, _machine, _sources
from sk_posters._images._decoding import decode_image
from sk_posters._persistence._training_rows import hash_rows
from sk_posters.datasets import _home, load_poster_folder, load_poster_table
from sk_posters.datasets._checks import check_posters
from sk_posters.exceptions import PosterFileError

OF_THE_MACHINE = [
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE),
    errno.ENOTCONN,  # Of a file system in user space that has gone.
]


@pytest.fixture
def poster(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return str(path)


def fail_to_open(monkeypatch, number):
    def fail(path, mode, opener):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(_sources, "open", fail, raising=False)


@pytest.mark.parametrize("number", OF_THE_MACHINE)
def test_an_error_of_the_machine_makes_no_image_black(number, poster, monkeypatch):
    fail_to_open(monkeypatch, number)
    loader = PosterImageLoader(image_size=(8, 8), on_error="blank", n_jobs=1)
    message = r"Cannot read '.*a\.png' \(.*\)\. This is an error of the machine, so no"
    with pytest.raises(OSError, match=message) as caught:
        loader.fit_transform([poster])
    assert caught.value.errno == number
    assert not isinstance(caught.value, PosterFileError)


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_an_encoder_makes_no_image_black_either(method, poster, monkeypatch):
    fail_to_open(monkeypatch, errno.EMFILE)
    encoder = PosterEncoder(image_size=(32, 32), on_error="blank", n_jobs=1)
    with pytest.raises(OSError, match=r"Close files, or allow more of them \(ulimit"):
        getattr(encoder, method)([poster])


def test_a_check_reports_no_bad_file(poster, monkeypatch):
    fail_to_open(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="The disk may fail: copy the images to another"):
        check_posters([poster], [[0, 1]], n_jobs=1)


def test_without_a_free_file_descriptor_no_image_is_black(poster):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    loader = PosterImageLoader(image_size=(8, 8), on_error="blank", n_jobs=1)
    with open(os.devnull) as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                loader.fit_transform([poster])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG]
)
def test_an_error_of_the_path_makes_its_image_black(number, poster, monkeypatch):
    fail_to_open(monkeypatch, number)
    loader = PosterImageLoader(image_size=(8, 8), on_error="blank", n_jobs=1)
    with pytest.warns(UserWarning, match="1 file cannot be used"):
        assert np.asarray(loader.fit_transform([poster])).max() == 0


def test_a_folder_that_may_not_be_entered_is_raised(poster, monkeypatch):
    fail_to_open(monkeypatch, errno.EACCES)
    with pytest.raises(PosterFileError, match="no permission to read it"):
        decode_image(poster, (8, 8))
    # The tests may run as root, whom no mode of a folder stops.
    monkeypatch.setattr(_machine.os, "access", lambda folder, mode: False)
    with pytest.raises(PermissionError, match=r"\(Permission denied\).* Make the fo"):
        decode_image(poster, (8, 8))


def test_a_lack_of_memory_is_the_machines_unless_there_is_enough(poster, monkeypatch):
    def fail(*given):
        raise MemoryError

    monkeypatch.setattr(_decoding, "_read_upright_rgb", fail)
    with pytest.raises(PosterFileError, match=r"may be damaged .* \(MemoryError"):
        decode_image(poster, (8, 8))
    monkeypatch.setattr(_machine, "bytearray", fail, raising=False)
    with pytest.raises(MemoryError, match=r"Free some memory, or take fewer threads"):
        decode_image(poster, (8, 8))


def test_a_folder_that_cannot_be_listed_is_raised(tmp_path, monkeypatch):
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    table = tmp_path / "train.csv"
    table.write_text("Id,A,B\n1,0,1\n")
    scandir, number = os.scandir, errno.EACCES

    def refuse(path):
        if str(path).endswith("dog"):
            raise OSError(number, os.strerror(number), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match=r"Cannot read '.*dog' \(Permission"):
        load_poster_folder(tmp_path)
    number = errno.EMFILE
    with pytest.raises(OSError, match=r"Cannot read '.*dog' \(Too many open files"):
        load_poster_table(table)


def test_what_a_file_could_not_be_opened_for_is_known():
    for reason in ("no such file", "no permission to read it", os.strerror(40)):
        assert _machine.was_not_read(reason)
    assert not _machine.was_not_read("the file is empty (0 bytes)")


def test_training_rows_that_cannot_be_read_now_are_not_strangers(poster, monkeypatch):
    assert len(hash_rows([poster, "away.png"], "X")[0]) == 32
    assert hash_rows(["away.png"], "X") == [None]
    fail_to_open(monkeypatch, errno.EMFILE)
    with pytest.raises(OSError, match=r"a\.png' \(Too many open files\)"):
        hash_rows([poster], "X")


def test_a_generated_file_that_cannot_be_read_now_has_not_changed(
    tmp_path, monkeypatch
):
    (tmp_path / "a").write_text("a")
    _home.write_checksums(tmp_path, "SUMS", ["a"])
    with open(tmp_path / "SUMS", "a") as sums:
        sums.write("0  away\n")
    assert _home.find_changed_files(tmp_path, "SUMS") == ["away"]

    def fail(path, mode, opener):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(_home, "open", fail, raising=False)
    with pytest.raises(OSError, match="The disk may fail"):
        _home.find_changed_files(tmp_path, "SUMS")


def test_an_entry_of_a_folder_that_fails_is_raised(tmp_path, monkeypatch):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.png").touch()
    (tmp_path / "train.csv").write_text("Id,A,B\n1,0,1\n")
    scandir = os.scandir

    class Failing:
        name, path = "1.png", str(tmp_path / "cat/1.png")

        def is_file(self):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), self.path)

    @contextmanager
    def list_failing(folder):
        with scandir(folder) as entries:
            found = list(entries)
        yield [Failing()] if str(folder).endswith("cat") else found

    monkeypatch.setattr(os, "scandir", list_failing)
    message = r"1\.png' \(Stale file handle\).* Mount the folder again"
    with pytest.raises(OSError, match=message):
        load_poster_folder(tmp_path)
    with pytest.raises(OSError, match=r"cat' \(Stale file handle"):
        load_poster_table(tmp_path / "train.csv", images=tmp_path / "cat")
