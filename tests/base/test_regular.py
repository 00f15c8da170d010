"""Files alone are opened: pipes would wait for ever, and devices never end."""

import os

import pytest

from sk_posters import PosterEncoder, PosterImageLoader
from sk_posters._base._regular import open_regular, read_regular, stat_regular
from sk_posters._features._onnx_files import read_onnx
from sk_posters._features._preprocessor import Preprocessor
from sk_posters._images._cache import hash_decoded
from sk_posters.datasets import _home, load_poster_table
from sk_posters.distributed import _folder, _partition
from sk_posters.exceptions import PosterFileError

NO_FILE = "a device or a pipe, not a file"


@pytest.fixture(params=["pipe", "device"])
def make_special(request, tmp_path):
    """Function that puts something that is no file under a name."""

    def make(name):
        path = tmp_path / name
        os.mkfifo(path) if request.param == "pipe" else path.symlink_to("/dev/zero")
        return str(path)

    return make


@pytest.mark.parametrize("read", [read_regular, stat_regular])
def test_a_pipe_or_a_device_is_refused(read, make_special):
    path = make_special("it")
    with pytest.raises(OSError, match=NO_FILE) as caught:
        read(path)
    assert caught.value.filename == path


@pytest.mark.parametrize("read", [read_regular, stat_regular])
def test_a_folder_is_refused(read, tmp_path):
    with pytest.raises(IsADirectoryError):
        read(tmp_path)


def test_files_are_read_and_leave_nothing_open(tmp_path, make_special):
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"
    assert stat_regular(tmp_path / "file").st_size == 7
    special, before = make_special("it"), os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=NO_FILE):
        open(special, opener=open_regular)  # noqa: SIM115
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("suffix", ["onnx", "keras"])
def test_a_backbone_must_be_a_file(suffix, make_special):
    encoder = PosterEncoder(make_special(f"it.{suffix}"), mean=0, std=1, n_jobs=1)
    with pytest.raises(FileNotFoundError, match=rf"it\.{suffix}' \({NO_FILE}\)"):
        encoder.fit(["a.png"])


def test_weights_and_settings_of_a_network_must_be_files(tmp_path, make_special):
    special = make_special("it")
    (tmp_path / "it.onnx").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=rf"weights 'w', which .*\({NO_FILE}"):
        read_onnx(str(tmp_path / "it.onnx"), (("w", special),))
    with pytest.raises(OSError, match=NO_FILE):
        Preprocessor(special, "hf://a/b")


def test_an_image_must_be_a_file(make_special):
    path = make_special("it.png")
    with pytest.raises(PosterFileError, match=NO_FILE):
        PosterImageLoader(n_jobs=1).fit([path])
    assert hash_decoded(path, (8, 8), "nearest") is None


def test_a_table_must_be_a_file(make_special):
    with pytest.raises(ValueError, match=rf"it\.csv' is {NO_FILE}\. Write what it"):
        load_poster_table(make_special("it.csv"))


def test_what_calls_leave_in_folders_must_be_files(tmp_path, make_special):
    make_special(_home.MARK)
    assert not _home._is_marked(tmp_path)
    make_special(_folder.RUN)
    with pytest.raises(OSError, match=NO_FILE):
        _folder._read_run(tmp_path)
    make_special(_partition.PART_NAME.format(0))
    fields = dict.fromkeys(_partition.Job._fields, "") | {"folder": tmp_path}
    job = _partition.Job(**fields)
    assert _partition.find_finished_partition(["a.png"], 0, job) is None
