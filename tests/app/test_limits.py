"""Requests that never end, crawl, fail or come in hundreds, and what others notice."""

import asyncio
import errno
import io
import os
import socket
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

from sk_posters._images import _sources
from sk_posters.app import _limits, _serve, _uploads, _worker, make_app, run_app
from sk_posters.app._limits import Slots, find_network, limit_time
from sk_posters.app._uploads import Refused, keep_upload
from sk_posters.app._worker import Worker, is_any_busy

pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
uvicorn = pytest.importorskip("uvicorn")

with warnings.catch_warnings():
    # Starlette 1 would rather have another HTTP client, which older ones do not know.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

UNFINISHED = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Model(BaseEstimator):
    """A classifier of two labels; `during` is called while it predicts."""

    def __init__(self, during=None):
        self.during = during

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        if self.during is not None:
            self.during()
        return np.array([[0, 1]])

    def predict_proba(self, X):
        return np.array([[0.25, 0.75]])


def client_of(application):
    return TestClient(
        application, base_url="http://localhost:7860", raise_server_exceptions=False
    )


@pytest.fixture(scope="module")
def plain():
    with client_of(make_app(Model())) as client:
        yield client


def poster_bytes(size=(30, 44), kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new("1" if kind == "PNG" else "L", size).save(buffer, kind, **options)
    return buffer.getvalue()


def send(client, content=None, name="poster.jpg", **options):
    content = poster_bytes() if content is None else content
    return client.post("/predict", files={"file": (name, content)}, **options)


def check_headers(response):
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"


# A server, as `run_app` starts it


@contextmanager
def serving(monkeypatch, model=None):
    """Yield server and address of a page in another thread, and end it."""
    application, servers = make_app(model or Model()), []
    serve = uvicorn.Server.serve

    def note(server, sockets):
        servers.append((server, sockets[0].getsockname()))
        return serve(server, sockets)

    monkeypatch.setattr(_serve, "make_app", lambda file, **parameters: application)
    monkeypatch.setattr(uvicorn.Server, "serve", note)
    thread = threading.Thread(target=run_app, args=("it.model",), kwargs={"port": 0})
    thread.start()
    while not (servers and servers[0][0].started):
        time.sleep(0.01)
    try:
        yield (*servers[0], thread)
    finally:
        servers[0][0].should_exit = True
        thread.join()


def ask(address, content=GET, timeout=10):
    with socket.create_connection(address[:2], timeout=timeout) as connection:
        connection.sendall(content)
        return b"".join(iter(lambda: connection.recv(9000), b""))


def test_the_page_ends_although_an_upload_does_not(monkeypatch, capsys, caplog):
    with (
        serving(monkeypatch) as (server, address, thread),
        socket.create_connection(address) as half,
        socket.create_connection(address) as idle,
    ):
        half.sendall(UNFINISHED)
        idle.sendall(b"GET / HT")
        assert ask(address).startswith(b"HTTP/1.1 200")
        started = time.perf_counter()
        server.should_exit = True  # As Ctrl-C sets it.
        thread.join(5)
        assert time.perf_counter() - started < 2
    assert "Traceback" not in caplog.text


def test_the_page_ends_although_a_poster_is_being_predicted(monkeypatch):
    seen, end = threading.Event(), threading.Event()

    def during():
        if model.is_slow:
            seen.set()
            end.wait(20)

    model = Model(during)
    model.is_slow = False
    with serving(monkeypatch, model) as (server, address, thread):
        model.is_slow = True
        body = UNFINISHED.partition(b"\r\n\r\n")[2] + poster_bytes() + b"\r\n--x--\r\n"
        head = UNFINISHED.partition(b"\r\n\r\n")[0].replace(b"9000", b"%d" % len(body))
        with socket.create_connection(address) as slow:
            slow.sendall(head + b"\r\n\r\n" + body)
            assert seen.wait(5)
            assert is_any_busy()
            started = time.perf_counter()
            server.should_exit = True
            thread.join(5)
            assert time.perf_counter() - started < 2
        end.set()


def test_headers_must_come_in_time(monkeypatch):
    monkeypatch.setattr(_limits, "HEADER_SECONDS", 0.2)
    with serving(monkeypatch) as (_, address, _):
        for begun in (
            b"",
            b"GET / HT",
            b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            with socket.create_connection(address, timeout=5) as connection:
                connection.sendall(begun)
                if begun.endswith(b"\r\n"):  # The next one on the same connection.
                    assert b"404 Not Found" in connection.recv(9000)
                    connection.sendall(b"GET")
                with suppress(ConnectionResetError):
                    while connection.recv(9000):
                        pass
        assert ask(address).startswith(b"HTTP/1.1 200")


def test_one_client_has_so_many_connections(monkeypatch):
    monkeypatch.setattr(_limits, "N_CONNECTIONS", 1)
    with serving(monkeypatch) as (_, address, _):
        with socket.create_connection(address), suppress(ConnectionResetError):
            assert ask(address) == b""
        time.sleep(0.05)
        assert ask(address).startswith(b"HTTP/1.1 200")


def test_an_upload_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(_limits, "IDLE_SECONDS", 0.2)
    with serving(monkeypatch) as (_, address, _):
        response = ask(address, UNFINISHED)
    assert response.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in response
    assert b"The upload came too slowly. Try again, or save a smaller" in response


# Time and number of uploads


def test_an_upload_that_crawls_is_cut_off(monkeypatch):
    monkeypatch.setattr(_limits, "START_SECONDS", 0.1)
    times = iter([0.0, 0.0, 0.05, 0.2])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(_limits, "time", clock)

    async def receive():
        return {"body": b"1"}

    async def crawl():
        receive_in_time = limit_time(receive)
        for _ in range(2):
            assert (await receive_in_time())["body"] == b"1"
        await receive_in_time()

    with pytest.raises(Refused, match="too slowly") as caught:
        asyncio.run(crawl())
    assert caught.value.status == 408


def test_uploads_are_limited_by_client_and_in_all(monkeypatch):
    monkeypatch.setattr(_limits, "N_PER_CLIENT", 2)
    monkeypatch.setattr(_limits, "N_UPLOADS", 3)
    slots = Slots()

    def refuse(client):
        with (
            pytest.raises(Refused, match="Too many uploads at once") as caught,
            slots.take(client),
        ):
            pass
        assert caught.value.status == 503

    with slots.take(("::1", 1)), slots.take(("::1", 2)):
        refuse(("::1", 3))
        with slots.take(("127.0.0.1", 1)):
            refuse(("127.0.0.1", 2))
        with slots.take(None):
            pass
    assert not slots._taken


@pytest.mark.parametrize(
    ("client", "network"),
    [
        (None, ""),
        (("127.0.0.1", 5), "127.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.7", 5), "192.0.2.7"),
        (("testclient", 5), "testclient"),
    ],
)
def test_a_client_is_what_has_an_address(client, network):
    assert find_network(client) == network


def test_uploads_above_the_limit_are_refused_until_others_end(plain, monkeypatch):
    monkeypatch.setattr(_limits, "N_UPLOADS", 0)
    response = send(plain)
    assert response.status_code == 503
    assert response.json()["error"].startswith("Too many uploads at once")
    monkeypatch.setattr(_limits, "N_UPLOADS", 1)
    assert [send(plain).status_code for _ in range(2)] == [200, 200]


# A deadline per poster


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("POSTER_SECONDS", r"This poster took over 0\.1 s. Save a smaller copy"),
        ("QUEUE_SECONDS", "The posters of others take too long. Try again in a moment"),
    ],
)
def test_whoever_waits_too_long_is_told(name, message, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(_worker, name, 0.1)

    async def run_both():
        worker = Worker()
        slow = asyncio.create_task(worker.run(lambda: end.wait(20)))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(worker.run(lambda: "never called"))
        waited_for = slow if name == "POSTER_SECONDS" else waiting
        with pytest.raises(Refused, match=message):
            await waited_for
        waiting.cancel()
        end.set()
        if name == "QUEUE_SECONDS":
            assert await slow
        assert await worker.run(lambda: "next") == "next"

    asyncio.run(run_both())


def test_clients_take_turns():
    end, order = threading.Event(), []

    async def run_all():
        worker = Worker()
        first = asyncio.create_task(worker.run(lambda: end.wait(20), "greedy"))
        clients = ["greedy", "greedy", "greedy", "modest", "other", "modest"]
        others = []
        for client in clients:
            await asyncio.sleep(0.01)  # In this order.
            append = partial(order.append, client)
            others.append(asyncio.create_task(worker.run(append, client)))
        await asyncio.sleep(0.01)
        end.set()
        await asyncio.gather(first, *others)

    asyncio.run(run_all())
    assert order == ["greedy", "modest", "other", "greedy", "modest", "greedy"]


def test_the_worker_raises_what_its_function_raises():
    def fail():
        raise TimeoutError("of the function")

    with pytest.raises(TimeoutError, match="of the function"):
        asyncio.run(Worker().run(fail))


# Errors of the server


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (OSError(errno.ENOSPC, "full"), 507, "The server has no space left for an upl"),
        (OSError(errno.EMFILE, "none"), 503, r"The server failed \(Too many open file"),
        (MemoryError(), 503, "The server has no memory left. Try again"),
        (OSError("no number"), 500, "The page failed; its log says why"),
        (KeyError("it"), 500, "The page failed; its log says why"),
    ],
    ids=["full", "files", "memory", "OSError", "KeyError"],
)
def test_errors_are_json_with_all_headers(error, status, message, plain, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(_uploads, "copyfileobj", fail)
    response = send(plain)
    assert response.status_code == status
    check_headers(response)
    with pytest.raises(Refused, match=message):
        raise Refused(status, response.json()["error"])


@pytest.mark.parametrize("charset", ["undefined", "punycode", "no-such", "utf-8"])
def test_a_form_in_any_encoding_gets_a_response(charset, plain):
    body = UNFINISHED.partition(b"\r\n\r\n")[2].replace(b'"a"', b'"\xff"')
    body += poster_bytes() + b"\r\n--x--\r\n"
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    response = plain.post("/predict", content=body, headers={"Content-Type": kind})
    assert response.status_code in (200, 400)
    check_headers(response)
    if response.status_code == 400:
        told = "Send the form in UTF-8", "Send one poster, as the field 'file'"
        assert response.json()["error"].startswith(told)


def test_a_form_is_not_decoded_in_an_encoding_that_takes_minutes(plain):
    field = b'--x\r\nContent-Disposition: form-data; name="label"\r\n\r\n'
    body = field + b"b" * 600_000 + b"\r\n--x--\r\n"
    for charset in ("punycode", '"Punycode"', "utf-8; charset=punycode"):
        kind = f"multipart/form-data; boundary=x; charset={charset}"
        started = time.monotonic()
        response = plain.post("/predict", content=body, headers={"Content-Type": kind})
        assert time.monotonic() - started < 5  # It took 33 s.
        assert response.status_code == 400


def test_names_that_cannot_be_encoded_are_shown_escaped():
    names = ["\udcff", "Drama"]
    with client_of(make_app(Model(), label_names=names)) as client:
        response = send(client)
    assert response.status_code == 200
    assert {genre["name"] for genre in response.json()["genres"]} == set(names)


def test_a_model_of_any_name_is_served(monkeypatch, capsys):
    with client_of(make_app(Model())) as client:
        assert client.get("/").status_code == 200
    monkeypatch.setattr(_serve, "make_app", lambda file, **parameters: None)
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    run_app(os.fsdecode(b"\xff.model"), port=0)
    assert r"sk_posters shows \udcff.model at" in capsys.readouterr().out


# Posters that take long


def test_no_side_may_be_too_long(plain):
    response = send(plain, poster_bytes((1, 65_536)))
    assert response.status_code == 413
    message = "× 65536 pixels; no side may be longer than 65535. Save a smaller copy."
    assert response.json()["error"].endswith(message)


def test_scans_are_counted(plain, monkeypatch):
    content = poster_bytes((40, 40), kind="JPEG", progressive=True)
    monkeypatch.setattr(_uploads, "MAX_SCANNED", 5 * 1600)
    response = send(plain, content)
    assert response.status_code == 422
    message = "'poster.jpg': it comes in 6 scans, more than the 5 allowed for its size"
    assert response.json()["error"].startswith(message)
    monkeypatch.setattr(_uploads, "MAX_SCANNED", 6 * 1600)
    assert send(plain, content).status_code == 200


# What is left behind


def test_no_upload_is_in_a_folder_where_files_can_be_in_memory(tmp_path, monkeypatch):
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with keep_upload(io.BytesIO(poster_bytes()), "a.png") as path:
        assert Image.open(path).size == (30, 44)
        assert list(tmp_path.iterdir()) == []  # Also if it is killed now.
    assert not path.exists()


def test_elsewhere_the_folder_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with keep_upload(io.BytesIO(poster_bytes()), "a.png") as path:
        assert path.parent.parent == tmp_path
        assert Image.open(path).size == (30, 44)
    assert list(tmp_path.iterdir()) == []


def test_an_upload_of_very_many_pieces_is_refused(tmp_path, monkeypatch):
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG")
    start, rest = content.getvalue()[:2], content.getvalue()[2:]
    path = tmp_path / "it.jpg"
    path.write_bytes(start + b"\xff\xfe\0\2" * 100 + rest)
    _uploads._check_header(path, "it.jpg")
    monkeypatch.setattr(_sources, "MAX_READS", 200)
    with pytest.raises(
        _uploads.Refused, match=r"it\.jpg: it is cut into more than 200"
    ):
        _uploads._check_header(path, "it.jpg")
