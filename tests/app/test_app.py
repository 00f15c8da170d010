"""The web page from its server's side: predictions, limits, refusals, no traces."""

import asyncio
import base64
import copy
import io
import logging
import socket
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    make_poster_pipeline,
    save_model,
)
from sk_posters._base._unwrap import unwrap
from sk_posters.app import _serve, make_app, run_app
from sk_posters.app._guard import Guard
from sk_posters.app._uploads import Refused, keep_upload, limit_bytes
from sk_posters.datasets import make_posters
from sk_posters.inspection import grad_cam, nearest_posters

pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
uvicorn = pytest.importorskip("uvicorn")

with warnings.catch_warnings():
    # Starlette 1 would rather have another HTTP client, which older ones do not know.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NAMES = ["Drama", "<b>War</b>", "Crime"]


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        16, n_labels=3, random_state=0, data_home=tmp_path_factory.mktemp("posters")
    )


def pipeline():
    return make_poster_pipeline(image_size=(64, 48), encoder__n_jobs=1)


@pytest.fixture(scope="module")
def model(posters):
    tuned = MultilabelTunedThresholdClassifierCV(
        pipeline(), thresholds=10, cv=0.5, random_state=0
    )
    return tuned.fit(posters.data, posters.target.set_axis(NAMES, axis=1))


def client_of(application):
    return TestClient(application, base_url="http://localhost:7860")


@pytest.fixture(scope="module")
def client(model, posters):
    with client_of(make_app(model, posters=posters.data)) as client:
        yield client


class Constant(BaseEstimator):
    """A classifier of two labels that costs nothing and has seen `seen` at a time."""

    def __init__(self):
        self.now = self.seen = 0

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        self.now += 1
        self.seen = max(self.seen, self.now)
        time.sleep(0.05)
        self.now -= 1
        return np.array([[0, 1]])

    def predict_proba(self, X):
        return np.array([[0.25, 0.75]])


@pytest.fixture
def plain():
    with client_of(make_app(Constant())) as client:
        yield client


def poster_bytes(size=(30, 44), kind="PNG", mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def send(client, content, name="poster.jpg", path="/predict", **fields):
    return client.post(path, files={"file": (name, content)}, data=fields)


def picture_of(url):
    head, _, data = url.partition(",")
    assert head in {"data:image/jpeg;base64", "data:image/png;base64"}
    return Image.open(io.BytesIO(base64.b64decode(data)))


# What it returns


def test_genres_are_those_of_the_model_the_likeliest_first(client, model, posters):
    path = posters.data[3]
    with open(path, "rb") as file:
        response = send(client, file).json()
    scores = model.predict_proba([path])[0]
    order = np.argsort(-scores)
    assert [genre["name"] for genre in response["genres"]] == [NAMES[j] for j in order]
    for j, genre in zip(order, response["genres"], strict=True):
        assert genre["probability"] == scores[j]
        assert genre["threshold"] == model.best_thresholds_[j]
        assert genre["chosen"] is bool(model.predict([path])[0, j])
    assert picture_of(response["image"]).size == Image.open(path).size


def make_novel(model):
    """Return a copy of a model to which every image is unlike the training posters."""
    model = copy.deepcopy(model)
    unwrap(model).steps[1][1].distances_ = np.zeros(99, dtype=np.float32)
    return model


def test_novelty_is_told_and_put_into_words_above_095(client, model, posters):
    response = send(client, poster_bytes()).json()
    assert 0 <= response["novelty"] <= 16 / 17
    assert response["unlike"] is None
    for given in (None, posters.data):
        with client_of(make_app(make_novel(model), posters=given)) as other:
            response = send(other, poster_bytes()).json()
        assert response["novelty"] == 0.99
        assert response["unlike"] == "unlike 99 % of the training posters"
        assert (response["neighbors"] is None) == (given is None)


def test_a_model_without_novelty_tells_none(plain):
    response = send(plain, poster_bytes()).json()
    assert response["novelty"] is response["unlike"] is None


def test_neighbors_are_those_of_nearest_posters(client, model, posters):
    with open(posters.data[3], "rb") as file:
        found = send(client, file).json()["neighbors"]
    table = nearest_posters(model, [posters.data[3]], posters.data, n_neighbors=6)
    assert [one["name"] for one in found] == [
        path.rpartition("/")[2] for path in table["path"]
    ]
    np.testing.assert_allclose(
        [one["distance"] for one in found], table["distance"], atol=1e-12
    )
    assert max(picture_of(found[0]["image"]).size) == 220


def test_neighbors_come_with_their_true_genres(client, model, posters):
    path = posters.data[3]
    row = posters.target.iloc[3].to_numpy()
    for target, names in [
        (posters.target, posters.target.columns),
        (posters.target.to_numpy(), NAMES),
    ]:
        application = make_app(model, posters=posters.data, target=target)
        with client_of(application) as told, open(path, "rb") as file:
            nearest = send(told, file).json()["neighbors"][0]
        assert nearest["genres"] == [
            str(name) for name, is_true in zip(names, row, strict=True) if is_true
        ]
    with open(path, "rb") as file:
        assert send(client, file).json()["neighbors"][0]["genres"] is None


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (3, slice(None), "one row for each of the posters: got 3 rows and 2 posters"),
        (2, slice(1), "one column for each of the .* got 1 columns"),
    ],
)
def test_true_genres_that_fit_no_posters_are_refused(
    model, posters, rows, columns, message
):
    target = posters.target.to_numpy()[:rows, columns]
    with pytest.raises(ValueError, match=message):
        make_app(model, posters=posters.data[:2], target=target)


def test_a_training_poster_that_has_gone_leaves_a_gap(posters, tmp_path):
    gone = tmp_path / "gone.png"
    gone.write_bytes(poster_bytes())
    fitted = pipeline().fit(posters.data, posters.target)
    application = make_app(fitted, posters=[gone, posters.data[0]])
    gone.unlink()
    with client_of(application) as client:
        found = send(client, poster_bytes()).json()["neighbors"]
    assert [one["image"] is None for one in found] == [True, False]
    assert found[0]["name"] == "gone.png"


def test_the_saliency_map_is_that_of_grad_cam(client, model, posters):
    path = posters.data[5]
    with open(path, "rb") as file:
        response = send(client, file, path="/explain", label=NAMES[1]).json()
    assert response["found"]
    shown = picture_of(response["image"])
    assert (shown.mode, shown.size) == ("RGBA", Image.open(path).size)
    saliency = grad_cam(model, [path], labels=[1])[0, 0]
    small = np.asarray(shown.getchannel("A").resize(saliency.shape[::-1])) / 255
    np.testing.assert_allclose(small, 0.75 * saliency, atol=0.1)  # Resized twice.


def test_an_unknown_label_is_refused(client):
    response = send(client, poster_bytes(), path="/explain", label="Western")
    assert response.status_code == 422
    message = "There is no genre 'Western'. Send one of these as 'label': Drama, <b>W"
    assert response.json()["error"].startswith(message)


def test_a_model_without_saliency_maps_says_so(plain):
    response = send(plain, poster_bytes(), path="/explain", label="1")
    assert response.status_code == 422
    assert response.json()["error"].startswith("This model has no saliency maps: ")


def test_without_names_and_posters_labels_have_numbers(plain):
    response = send(plain, poster_bytes()).json()
    assert [genre["name"] for genre in response["genres"]] == ["1", "0"]
    assert [genre["threshold"] for genre in response["genres"]] == [0.5, 0.5]
    assert response["neighbors"] is None


def test_names_come_from_the_file_of_the_model(posters, tmp_path):
    pytest.importorskip("skops")
    file = tmp_path / "<i>genres.model"
    fitted = pipeline().fit(posters.data, posters.target)
    save_model(fitted, file, label_names=NAMES)
    with client_of(make_app(file)) as client:
        response = send(client, poster_bytes()).json()
        page = client.get("/").text
    assert {genre["name"] for genre in response["genres"]} == set(NAMES)
    with client_of(make_app(file, label_names="ABC")) as client:
        response = send(client, poster_bytes()).json()
    assert {genre["name"] for genre in response["genres"]} == set("ABC")
    assert "&lt;i&gt;genres.model, 3 genres" in page


def test_thresholds_of_another_scale_are_not_shown(posters):
    encoder = PosterEncoder(image_size=(32, 32), n_jobs=1)
    head = MultilabelTunedThresholdClassifierCV(
        OneVsRestClassifier(LogisticRegression()),
        response_method="decision_function",
        cv=0.5,
        random_state=0,
    )
    fitted = make_pipeline(encoder, head).fit(posters.data, posters.target)
    with client_of(make_app(fitted)) as client:
        response = send(client, poster_bytes()).json()
    assert [genre["threshold"] for genre in response["genres"]] == [None] * 3


def test_the_best_of_a_search_is_shown(posters):
    search = GridSearchCV(
        pipeline(), {"classifier__estimator__C": [1.0]}, cv=2, scoring="f1_samples"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of labels that folds of eight do not have.
        search.fit(posters.data, posters.target)
    application = make_app(search, posters=posters.data[:2], label_names=NAMES)
    with client_of(application) as client:
        response = send(client, poster_bytes()).json()
    assert {genre["name"] for genre in response["genres"]} == set(NAMES)
    assert len(response["neighbors"]) == 2


# Models that are refused


def test_a_model_without_probabilities_is_refused():
    fitted = RidgeClassifier().fit([[0], [1]], [[0, 1], [1, 0]])
    with pytest.raises(TypeError, match="'RidgeClassifier', which predicts no probabi"):
        make_app(fitted)


def test_names_must_fit_the_labels():
    with pytest.raises(
        ValueError, match="for each of the 2 labels of the model: got 3"
    ):
        make_app(Constant(), label_names=NAMES)


def test_posters_need_a_model_that_has_features(posters):
    with pytest.raises(ValueError, match="nearest_posters takes a PosterEncoder"):
        make_app(DummyClassifier().fit([0], [[0, 1]]), posters=posters.data)


@pytest.mark.parametrize(
    ("module", "package"),
    [("starlette", "starlette"), ("python_multipart", "python-multipart")],
)
def test_a_missing_package_is_named(module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "starlette.applications", raising=False)
    message = f"The web page needs the package '{package}'.*'sk-posters.app.'"
    with pytest.raises(ImportError, match=message):
        make_app(Constant())


def test_a_missing_server_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"needs the package 'uvicorn'"):
        run_app("genres.model")


# Uploads


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_each_allowed_format_is_taken_whatever_its_name(plain, kind):
    response = send(plain, poster_bytes(kind=kind), name="poster.txt")
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"A plot in words.", 415, "'it.jpg' is not an image in an allowed format"),
        (b"", 415, r"'it.jpg' is empty \(0 bytes\)"),
        (poster_bytes(kind="TIFF"), 415, "Choose a JPEG, PNG, WebP, GIF or BMP file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", 415, "is not an image"),
        (poster_bytes()[:60], 422, "'it.jpg': cannot be decoded, it may be damaged"),
        (b"BM" + b"\xff" * 60, 422, r"'it.jpg' cannot be read, it may be damaged \("),
        (
            poster_bytes((8000, 7000), mode="1"),
            413,
            r"× 7000 pixels \(56 million\)",
        ),
        (
            poster_bytes((14000, 14000), mode="1"),
            413,
            "at most 50 million are allo",
        ),
    ],
    ids=["text", "empty", "TIFF", "PostScript", "cut off", "header", "large", "bomb"],
)
def test_files_that_are_not_posters_are_refused(
    plain, content, status, message, tmp_path
):
    response = send(plain, content, name="it.jpg")
    assert response.status_code == status
    with pytest.raises(Refused, match=message):
        raise Refused(status, response.json()["error"])
    assert "sk_posters-" not in response.text


def test_a_long_name_is_cut_in_messages(plain):
    message = send(plain, b"text", name="x" * 500 + ".jpg").json()["error"]
    assert "…" in message
    assert len(message) < 250


def test_too_many_bytes_are_refused_by_what_the_header_says(plain):
    response = send(plain, bytes(20_020_000))
    assert response.status_code == 413
    assert response.json()["error"].startswith("The file is larger than the 20 MB")


def respond_to(messages):
    """Return status and body of the response to a body that comes in parts."""
    sent, messages = [], iter(messages)

    async def receive():
        return next(messages)

    async def take(message):
        sent.append(message)

    headers = [(b"host", b"localhost")]
    headers += [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
    scope |= {"query_string": b"", "root_path": "", "http_version": "1.1"}
    asyncio.run(make_app(Constant())(scope, receive, take))
    return sent[0]["status"], sent[1]["body"].decode()


def test_too_many_bytes_are_refused_while_they_come():
    n_parts = 0

    def parts():
        nonlocal n_parts
        start = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        )
        yield {"type": "http.request", "body": start, "more_body": True}
        for _ in range(100):
            n_parts += 1
            yield {"type": "http.request", "body": bytes(10**6), "more_body": True}

    status, body = respond_to(parts())
    assert (status, "larger than the 20 MB allowed" in body) == (413, True)
    assert n_parts == 21


def test_an_upload_that_is_cut_off_gets_a_response():
    status, body = respond_to([{"type": "http.disconnect"}])
    assert (status, body) == (400, '{"error":"The upload was cut off."}')


def test_the_file_itself_must_keep_the_limit():
    with (
        pytest.raises(Refused, match="larger than the 1e-05 MB allowed"),
        keep_upload(io.BytesIO(bytes(11)), "a.png", max_bytes=10),
    ):
        pass


def test_a_length_that_is_no_number_is_counted_instead():
    async def receive():
        return {"body": bytes(20_000)}

    receive_limited = limit_bytes(receive, {"content-length": "-1"}, max_bytes=5)
    with pytest.raises(Refused, match="larger than the 5e-06 MB allowed"):
        asyncio.run(receive_limited())


@pytest.mark.parametrize(
    "request_of",
    [
        {},
        {"content": b"raw", "headers": {"Content-Type": "image/png"}},
        {"data": {"file": "text"}},
        {"files": {"other": ("a.png", b"")}},
    ],
    ids=["nothing", "raw", "text", "other field"],
)
def test_other_forms_are_refused(plain, request_of):
    response = plain.post("/predict", **request_of)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Send one poster, as the field 'file'")


def test_several_files_are_refused(plain):
    files = [("file", ("a.png", b"")), ("file", ("b.png", b""))]
    response = plain.post("/predict", files=files)
    assert (response.status_code, "Too many files" in response.json()["error"]) == (
        400,
        True,
    )


def test_nothing_is_kept(model, posters, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("SK_POSTERS_CACHE", str(tmp_path / "cache"))
    with client_of(make_app(model, posters=posters.data[:2])) as client:
        kept = sorted((tmp_path / "cache").rglob("*"))
        large = np.random.default_rng(0).integers(0, 256, (900, 600, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(large).save(buffer, "PNG")
        assert len(buffer.getvalue()) > 2**20  # So that the form itself goes to disk.
        for content in (
            buffer.getvalue(),
            poster_bytes(),
            b"text",
            poster_bytes()[:60],
        ):
            send(client, content)
            send(client, content, path="/explain", label=NAMES[0])
    assert list((tmp_path / "temporary").rglob("*")) == []
    assert kept  # Features of the training posters, computed once.
    assert sorted((tmp_path / "cache").rglob("*")) == kept


# Many at a time


def test_the_model_predicts_one_poster_at_a_time():
    constant = Constant()
    with client_of(make_app(constant)) as client:
        responses = []
        threads = [
            threading.Thread(
                target=lambda: responses.append(send(client, poster_bytes()))
            )
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [response.status_code for response in responses] == [200] * 5
    assert constant.seen == 1


# Who may use it


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.0.7:7860", 200),
        ("films.example:7860", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
def test_only_own_host_names_are_served(host, status):
    with client_of(make_app(Constant(), hosts=["Films.example"])) as client:
        response = client.get("/", headers={"Host": host})
    assert response.status_code == status
    if status == 400:
        assert response.json()["error"].startswith(
            f"This page is not served as {host!r}. Open it as localhost"
        )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:7860"}, 200),
        ({"Origin": "https://localhost:7860"}, 200),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file://localhost:7860"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
    ids=str,
)
def test_posters_sent_by_pages_of_other_sites_are_refused(plain, headers, status):
    files = {"file": ("poster.png", poster_bytes())}
    response = plain.post("/predict", files=files, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"] == "Requests from other websites are refused."
    assert "access-control-allow-origin" not in response.headers


def test_every_response_carries_the_headers_of_the_guard(plain):
    evil = {"Host": "evil.example"}
    responses = [plain.get("/"), plain.get("/", headers=evil), plain.get("/nowhere")]
    responses += [send(plain, poster_bytes()), send(plain, b"text")]
    assert [response.status_code for response in responses] == [200, 400, 404, 200, 415]
    for response in responses:
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
    assert responses[2].json() == {"error": "Not Found."}


def test_other_methods_are_refused(plain):
    response = plain.get("/predict")
    assert (response.status_code, response.json()) == (
        405,
        {"error": "Method Not Allowed."},
    )


def test_the_guard_lets_a_server_start():
    async def inner(scope, receive, send):
        assert scope == {"type": "lifespan"}

    asyncio.run(Guard(inner, hosts=[], policy="")({"type": "lifespan"}, None, None))


# Serving it


@pytest.fixture
def served(tmp_path, monkeypatch):
    """File of a model; nothing is really served, and Ctrl-C comes at once."""

    def interrupted(server, sockets):
        served.append(sockets[0].getsockname())
        raise KeyboardInterrupt

    served = []
    monkeypatch.setattr(uvicorn.Server, "run", interrupted)
    monkeypatch.setattr(
        _serve, "make_app", lambda file, **parameters: made.update(parameters)
    )
    made = {}
    return served, made


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_by_default_only_this_computer_reaches_the_page(served, host, capsys):
    run_app("genres.model", host=host, port=0)
    (address,), made = served
    assert address[0] == "127.0.0.1"
    assert made == {"posters": None, "target": None, "hosts": [], "trusted": ()}
    assert capsys.readouterr().out == (
        f"sk_posters shows genres.model at http://{host}:{address[1]} "
        "(Ctrl-C ends it)\n"
    )


def test_logging_of_the_process_is_left_alone(served):
    class Noting(logging.Handler):
        closed = False

        def close(self):
            self.closed = True
            super().close()

    handler = Noting()
    run_app("genres.model", port=0)
    assert not handler.closed


def test_other_addresses_are_warned_about(served, capsys):
    run_app("genres.model", posters=["a.jpg"], host="0.0.0.0", port=0)
    _, made = served
    assert made.pop("hosts") == ["0.0.0.0", socket.gethostname()]
    assert made == {"posters": ["a.jpg"], "target": None, "trusted": ()}
    message = "Warning: 0.0.0.0 can be reached from other computers. The page asks for"
    assert capsys.readouterr().out.startswith(message)


def test_an_ipv6_address_is_shown_in_brackets(served, capsys):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    run_app("genres.model", host="::1", port=0)
    assert "at http://[::1]:" in capsys.readouterr().out


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = rf"^The web page .* host='127.0.0.1', port={port} \(Address already"
        with pytest.raises(OSError, match=message):
            run_app("genres.model", port=port)


def test_a_host_that_cannot_be_found_is_named():
    with pytest.raises(OSError, match=r"^The web page cannot listen on host='no host'"):
        run_app("genres.model", host="no host", port=0)


def test_a_port_out_of_range_is_refused():
    with pytest.raises(ValueError, match="The 'port' parameter of run_app must be"):
        run_app("genres.model", port=70000)
