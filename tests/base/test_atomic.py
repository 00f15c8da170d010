"""Files are written whole or not at all, and refused before any work is done."""

import pytest

from sk_posters._base._atomic import check_writable


def test_a_file_in_a_folder_can_be_written(tmp_path):
    assert check_writable(str(tmp_path / "it.csv")) == tmp_path / "it.csv"


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        check_writable(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder '.*nowhere'\. Make it"):
        check_writable(tmp_path / "nowhere" / "it.csv")
