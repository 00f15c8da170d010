"""The movie posters: fetched whole, continued, verified, or refused with a reason.

A server on this machine stands in for GitHub, and invented images for the posters.
"""

import hashlib
import io
import re
import socket
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sk_posters.datasets import _download, _movie_posters, fetch_movie_posters

TABLE = (
    b"Id,Genre,Drama,N/A\ntt1,\"['Drama']\",1,0\ntt2,['N/A'],0,1\ntt1,['Drama'],1,0\n"
)
SAMPLES = ["endgame.jpg", "fast.jpg", "saaho.jpg"]


def jpeg(text):
    return b"\xff\xd8" + text.encode() * 99 + b"\xff\xd9"


# tt9 has an image and no row, as 625 posters of the real data set.
IMAGES = {f"{name}.jpg": jpeg(name) for name in ("tt9", "tt1", "tt2")}
FILES = {
    "train.csv": TABLE,
    **{f"Images/{name}": content for name, content in IMAGES.items()},
    **{name: jpeg(name) for name in SAMPLES},
    "README.md": b"not a part of the data set",
}
LISTING = "".join(
    f"{hashlib.sha256(IMAGES[name]).hexdigest()}  {name}\n" for name in sorted(IMAGES)
)


def archive(files=FILES, *, links=(), prefix="Movies-Poster_Dataset-0f2cea5"):
    """Return a .tar.gz as GitHub makes it, with one folder around everything."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{prefix}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(f"{prefix}/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            members.addfile(member)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Sends the contents in turn, the last one again and again."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = [archive()]
        self.statuses = []
        self.knows_ranges = True
        self.says_length = True
        self.breaks_after = []
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/archive.tar.gz"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        content = server.contents[0]
        if len(server.contents) > 1:
            server.contents.pop(0)
        status = server.statuses.pop(0) if server.statuses else 200
        wanted = self.headers.get("Range")
        if status == 200 and wanted and server.knows_ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
            status = 206 if start < len(content) else 416
            content = content[start:]
        self.send_response(status)
        if status >= 400:
            content = b""
        if server.says_length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if server.breaks_after and status < 400:
            content = content[: server.breaks_after.pop(0)]
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch):
    """A server that offers the invented data set, and hashes that fit to it."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(_movie_posters, "ARCHIVE_URL", running.url)
        monkeypatch.setattr(
            _movie_posters, "TABLE_SHA256", hashlib.sha256(TABLE).hexdigest()
        )
        monkeypatch.setattr(
            _movie_posters,
            "LISTING_SHA256",
            hashlib.sha256(LISTING.encode()).hexdigest(),
        )
        yield running
        running.shutdown()
        thread.join()


def fetch(home, **parameters):
    return fetch_movie_posters(data_home=home, **{"delay": 0, **parameters})


def put_by_hand(home, files=FILES):
    for name, content in files.items():
        path = home / "movie_posters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_the_posters_are_fetched_and_loaded(server, tmp_path):
    posters = fetch(tmp_path)
    folder = tmp_path / "movie_posters"
    names = ["tt1.jpg", "tt2.jpg", "tt1.jpg"]
    assert posters.data.tolist() == [str(folder / "Images" / name) for name in names]
    assert posters.target.to_numpy().tolist() == [[1, 0], [0, 1], [1, 0]]
    assert posters.target_names == ["Drama", "N/A"]
    assert posters.groups.tolist() == ["tt1", "tt2", "tt1"]
    assert posters.sample_paths == [str(folder / name) for name in SAMPLES]
    for name in {*FILES} - {"README.md"}:
        assert (folder / name).read_bytes() == FILES[name]


def test_only_the_data_set_is_left_in_the_data_home(server, tmp_path):
    fetch(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"movie_posters", "movie_posters.lock"}
    names = {path.name for path in (tmp_path / "movie_posters").iterdir()}
    assert names == {"train.csv", "Images", "samples.sha256", *SAMPLES}


def test_the_description_mentions_copyright_and_of_groups(server, tmp_path):
    description = fetch(tmp_path).DESCR
    assert "copyrighted" in description
    assert "12 ids occur in two rows. Pass `groups` to the split" in description


def test_paths_and_labels_alone_can_be_asked_for(server, tmp_path):
    data, target = fetch(tmp_path, return_X_y=True)
    assert data.shape == (3,)
    assert target.shape == (3, 2)


def test_a_second_call_does_not_ask(server, tmp_path):
    fetch(tmp_path)
    fetch(tmp_path, download_if_missing=False)
    assert server.asked == [None]


def test_the_environment_variable_names_the_data_home(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path))
    assert Path(fetch_movie_posters().data[0]).is_relative_to(tmp_path)


def test_progress_is_shown_on_request(server, tmp_path, capsys):
    fetch(tmp_path, verbose=1)
    assert "Downloading: 100%" in capsys.readouterr().err


def test_a_server_that_does_not_say_the_length_will_do(server, tmp_path):
    server.says_length = False
    assert len(fetch(tmp_path).data) == 3


def test_nothing_is_downloaded_if_that_is_not_wanted(server, tmp_path):
    message = (
        f"The movie posters are not in '{tmp_path}/movie_posters', and download_if"
    )
    with pytest.raises(OSError, match=re.escape(message)):
        fetch(tmp_path, download_if_missing=False)
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.breaks_after = [100, 50]
    fetch(tmp_path, n_retries=2)
    assert server.asked == [None, "bytes=100-", "bytes=150-"]


def test_a_later_call_goes_on_where_an_earlier_one_stopped(server, tmp_path):
    server.breaks_after = [100]
    length = len(archive())
    message = rf"the connection ended after 100 of {length} bytes. Call again"
    with pytest.raises(OSError, match=message):
        fetch(tmp_path, n_retries=0)
    assert not (tmp_path / "movie_posters").exists()
    fetch(tmp_path)
    assert server.asked == [None, "bytes=100-"]


def test_without_ranges_a_broken_download_starts_again(server, tmp_path):
    server.knows_ranges = False
    server.breaks_after = [100]
    assert len(fetch(tmp_path).data) == 3
    assert server.asked == [None, "bytes=100-"]


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / "movie_posters.tar.gz.part").write_bytes(archive())
    fetch(tmp_path)
    assert server.asked == [f"bytes={len(archive())}-"]


def test_an_archive_that_was_not_unpacked_is_not_asked_for_again(server, tmp_path):
    (tmp_path / "movie_posters.tar.gz").write_bytes(archive())
    fetch(tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("start", [b"of another archive" * 9, b"\x1f\x8b" + b"\0" * 99])
def test_parts_that_do_not_fit_are_downloaded_again(start, server, tmp_path):
    (tmp_path / "movie_posters.tar.gz.part").write_bytes(start)
    assert len(fetch(tmp_path).data) == 3
    assert server.asked == [f"bytes={len(start)}-", None]


def test_an_archive_cut_short_is_downloaded_again(server, tmp_path):
    (tmp_path / "movie_posters.tar.gz").write_bytes(archive()[:-200])
    assert len(fetch(tmp_path).data) == 3
    assert server.asked == [None]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**FILES, "train.csv": TABLE + b"\n"}, "train.csv has the sha256 "),
        (
            {**FILES, "Images/tt2.jpg": jpeg("other")},
            "the listing of the 3 files Images/*.jpg has the sha256 ",
        ),
        (
            {**FILES, "Images/tt2.jpg": IMAGES["tt2.jpg"][:-9]},
            ", not whole JPEG files: ['tt2.jpg'].",
        ),
        ({**FILES, "fast.jpg": b"<html>"}, "fast.jpg is not a JPEG file"),
        ({"train.csv": TABLE}, "there is no endgame.jpg, no fast.jpg, no saaho.jpg"),
    ],
    ids=["table", "image", "cut image", "sample", "no samples"],
)
def test_other_contents_are_refused_and_not_kept(files, message, server, tmp_path):
    server.contents = [archive(files)]
    with pytest.raises(OSError, match=re.escape(message)) as caught:
        fetch(tmp_path)
    assert f"What {server.url} sent is not the data set" in str(caught.value)
    assert "Nothing of it was kept: call again to download it again" in str(
        caught.value
    )
    assert [path.name for path in tmp_path.iterdir()] == ["movie_posters.lock"]
    assert server.asked == [None]


def test_a_response_that_is_no_archive_is_refused(server, tmp_path):
    server.contents = [b"<html>Please log in</html>"]
    with pytest.raises(OSError, match="the archive cannot be read: not a gzip file"):
        fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["movie_posters.lock"]


def test_after_a_refusal_the_next_call_downloads_again(server, tmp_path):
    server.contents = [archive({"train.csv": b"Id\n"}), archive()]
    with pytest.raises(OSError, match="is not the data set"):
        fetch(tmp_path)
    assert len(fetch(tmp_path).data) == 3
    assert server.asked == [None, None]


def test_paths_and_links_of_the_archive_lead_nowhere(server, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(jpeg("secret"))
    evil = {"../../evil.jpg": b"", "Images/../../evil.jpg": b"", "Images/a/b.jpg": b""}
    links = [("Images/link.jpg", str(tmp_path / "secret.jpg")), ("Images/d", "/")]
    server.contents = [archive({**FILES, **evil}, links=links)]
    fetch(tmp_path / "home")
    found = {path.name for path in (tmp_path / "home").rglob("*.jpg")}
    assert found == {*IMAGES, *SAMPLES}
    assert not list(tmp_path.rglob("evil.jpg"))


def test_an_absolute_path_of_the_archive_leads_nowhere(server, tmp_path):
    server.contents = [archive(prefix=f"{tmp_path}/out")]
    with pytest.raises(OSError, match=r"there is no train\.csv"):
        fetch(tmp_path / "home")
    assert not (tmp_path / "out").exists()


def test_a_page_that_is_not_found_is_asked_for_once(server, tmp_path):
    server.statuses = [404]
    message = f"Could not download {server.url} into '{tmp_path}': HTTP Error 404"
    with pytest.raises(OSError, match=re.escape(message)):
        fetch(tmp_path)
    assert server.asked == [None]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(status, server, tmp_path):
    server.statuses = [status, status]
    assert len(fetch(tmp_path, n_retries=2).data) == 3
    assert len(server.asked) == 3


def test_a_server_that_stays_busy_is_given_up(server, tmp_path):
    server.statuses = [503] * 3
    with pytest.raises(OSError, match="HTTP Error 503"):
        fetch(tmp_path, n_retries=2)
    assert len(server.asked) == 3


def test_it_waits_between_attempts(server, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(_download.time, "sleep", slept.append)
    server.statuses = [503, 503]
    fetch(tmp_path, delay=7.5)
    assert slept == [7.5, 7.5]


def test_without_a_connection_it_says_what_can_be_done(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/archive.tar.gz"
    monkeypatch.setattr(_movie_posters, "ARCHIVE_URL", url)
    with pytest.raises(OSError, match="Connection refused") as caught:
        fetch(tmp_path, n_retries=1)
    message = str(caught.value)
    assert f"Could not download {url} into '{tmp_path}'" in message
    assert (
        "Call again when there is a connection. Put train.csv, Images/ and" in message
    )
    assert f"into {str(tmp_path / 'movie_posters')!r} by hand" in message
    assert "or load other posters with load_poster_table" in message


def test_posters_put_there_by_hand_are_taken(server, tmp_path):
    put_by_hand(tmp_path)
    assert len(fetch(tmp_path, download_if_missing=False).data) == 3
    assert server.asked == []


@pytest.mark.parametrize("name", ["train.csv", "Images/tt1.jpg", "fast.jpg"])
def test_a_byte_that_changes_later_is_noticed(server, tmp_path, name):
    folder = Path(fetch(tmp_path).data[0]).parents[1]
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(OSError, match="is not the data set") as caught:
        fetch(tmp_path)
    assert f"{str(folder)!r} is not" in str(caught.value)
    assert "Delete the folder and call again" in str(caught.value)


def test_an_archive_that_was_left_behind_is_removed(server, tmp_path):
    fetch(tmp_path)
    (tmp_path / "movie_posters.tar.gz").touch()
    fetch(tmp_path)
    assert not (tmp_path / "movie_posters.tar.gz").exists()


def test_four_that_fetch_at_once_download_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        fetched = list(pool.map(fetch, [tmp_path] * 4))
    assert len(server.asked) == 1
    assert {len(posters.data) for posters in fetched} == {3}


def test_other_posters_put_there_by_hand_are_refused_and_left_alone(server, tmp_path):
    put_by_hand(tmp_path, {**FILES, "Images/tt1.jpg": b""})
    folder = tmp_path / "movie_posters"
    with pytest.raises(OSError, match="is not the data set: the listing") as caught:
        fetch(tmp_path)
    assert f"{str(folder)!r} is not the data set" in str(caught.value)
    assert "Delete the folder and call again" in str(caught.value)
    assert f"use load_poster_table('{folder}/train.csv')" in str(caught.value)
    assert (folder / "Images" / "tt1.jpg").exists()


@pytest.mark.parametrize(
    "parameters", [{"n_retries": -1}, {"delay": -1}, {"data_home": 3}]
)
def test_parameters_out_of_range_are_refused(parameters):
    name = next(iter(parameters))
    message = f"The '{name}' parameter of fetch_movie_posters must be"
    with pytest.raises(ValueError, match=message):
        fetch_movie_posters(**parameters)


def test_the_archive_is_that_of_the_pinned_commit():
    assert _movie_posters.ARCHIVE_URL == (
        "https://codeload.github.com/laxmimerit/Movies-Poster_Dataset/tar.gz/"
        "0f2cea5ba255a8197cd749135080c93c3c931d48"
    )
