"""Files are written whole or not at all, and refused before any work is done."""

import os
import stat

import pytest

from sk_posters._base import _atomic
from sk_posters._base._atomic import check_writable, replace_when_done, write_file


def test_a_file_in_a_folder_can_be_written(tmp_path):
    assert check_writable(str(tmp_path / "it.csv")) == tmp_path / "it.csv"


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        check_writable(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder '.*nowhere'\. Make it"):
        check_writable(tmp_path / "nowhere" / "it.csv")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_a_new_file_has_the_permissions_of_the_one_it_replaces(mode, tmp_path):
    file = tmp_path / "it.csv"
    file.write_text("before")
    file.chmod(mode)
    with replace_when_done(file) as part:
        # Nobody reads what is not whole, where nobody read the file before.
        assert mode_of(part) == 0o600
        part.write_text("after")
    assert (mode_of(file), file.read_text()) == (mode, "after")


def test_a_file_that_replaces_none_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_file(tmp_path / "it.csv", b"")
    assert mode_of(tmp_path / "it.csv") == mode_of(tmp_path / "usual")


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "it.csv", tmp_path / "link.csv"
    link.symlink_to(file)
    for content in (b"new", b"again"):  # At first the link leads nowhere.
        write_file(link, content)
        assert link.is_symlink()
        assert file.read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "there"]
    assert os.listdir(tmp_path / "there") == ["it.csv"]


def test_a_link_of_another_user_in_a_shared_folder_is_not_followed(
    tmp_path, monkeypatch
):
    file, shared = tmp_path / "it.csv", tmp_path / "shared"
    file.write_text("before")
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link.csv").symlink_to(file)
    write_file(shared / "link.csv", b"ours")
    # A folder of one user, and a link of the other; we are the third.
    stats = {"stat": os.stat, "lstat": os.lstat}
    for number, (name, function) in enumerate(stats.items(), start=5):

        def with_owner(path, *, _function=function, _number=number, **options):
            fields = list(_function(path, **options))
            fields[4] = os.geteuid() + _number
            return os.stat_result(fields)

        monkeypatch.setattr(_atomic.os, name, with_owner)
    with pytest.raises(PermissionError, match=r"'.*link\.csv', a link of another user"):
        _atomic._follow_link(shared / "link.csv")
    monkeypatch.undo()
    assert file.read_text() == "ours"


def test_pipes_and_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(OSError, match=f"Cannot write '{path}', which is a pipe or"):
            write_file(path, b"")
        assert check_writable(path, replaces=False) is not None


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name_is_a_folder(path):
    with pytest.raises(IsADirectoryError, match=r"Cannot write to '[./]', which is a"):
        write_file(path, b"")


@pytest.mark.parametrize("name", ["x" * 220, "x" * 255, "x." + "y" * 253, "é" * 127])
def test_long_names_are_written(name, tmp_path):
    write_file(tmp_path / name, b"whole")
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long_is_refused(tmp_path):
    message = r"Cannot write '.*x': its name has 256 bytes, more than 255\. Choose a sh"
    with pytest.raises(OSError, match=message):
        write_file(tmp_path / ("x" * 256), b"")
    assert os.listdir(tmp_path) == []
