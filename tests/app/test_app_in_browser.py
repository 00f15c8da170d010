"""The web page in a real browser, served by a process of its own."""

import re
import shutil
import signal
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import pytest

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    make_poster_pipeline,
    save_model,
)
from sk_posters.datasets import make_posters

playwright = pytest.importorskip("playwright.sync_api")
for package in ("skops", "starlette", "uvicorn", "python_multipart"):
    pytest.importorskip(package)

NAMES = ["Drama", "<b onclick=alert(1)>War</b>", "Crime"]
HOSTILE = "<img src=x onerror=window.fooled=1>.jpg"
SERVE = """
import sys
from sk_posters.app import run_app
run_app(sys.argv[1], posters=sys.argv[2:], port=0)
"""


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        16, n_labels=3, random_state=0, data_home=tmp_path_factory.mktemp("posters")
    )


@pytest.fixture(scope="module")
def server(posters, tmp_path_factory):
    """Process that serves the page; it ends by Ctrl-C, without a complaint."""
    model = MultilabelTunedThresholdClassifierCV(
        make_poster_pipeline(image_size=(64, 48), encoder__n_jobs=1),
        thresholds=10,
        cv=0.5,
        random_state=0,
    ).fit(posters.data, posters.target)
    file = tmp_path_factory.mktemp("model") / "genres.model"
    save_model(model, file, label_names=NAMES)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, file, *posters.data],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    if found is None:
        process.kill()
        pytest.fail(process.communicate()[1])
    process.url = found.group()
    yield process
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=30)
    assert (process.returncode, output, complaints) == (0, "", "")


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    with playwright.sync_playwright() as engines:
        # Without a sandbox of its own it also starts in containers.
        browser = engines.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """The page; afterwards, only its own server was asked, and no error occurred."""
    page = browser.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(server.url)
    yield page
    page.close()
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
    # The browser itself logs responses with an error status.
    assert [text for text in errors if "Failed to load resource" not in text] == []


def choose(page, poster):
    page.set_input_files("#file", poster)


def expect(page, selector):
    return playwright.expect(page.locator(selector))


def png_of_one_colour(side):
    """A PNG of side × side pixels, without these pixels ever being in memory."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + 3 * side)) for _ in range(side)]
    data = b"".join([*rows, packer.flush()])
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def most_memory(process):
    """Most bytes that a process has had in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))


def test_a_poster_gives_genres_with_bars_and_posters_alike(page, posters):
    choose(page, posters.data[3])
    expect(page, "#genres button").to_have_count(3)
    shown = page.locator("#genres .name").all_text_contents()
    assert sorted(shown) == sorted(NAMES)
    for row in page.locator("#genres button").all():
        share = float(re.search(r"\d+", row.locator(".value").inner_text()).group())
        track = row.locator(".bar").bounding_box()
        fill = row.locator(".fill").bounding_box()
        assert fill["width"] / track["width"] == pytest.approx(share / 100, abs=0.011)
        mark = row.locator(".mark").bounding_box()
        assert track["x"] - 2 <= mark["x"] <= track["x"] + track["width"]
    named = page.locator("#genres button.chosen .name").all_text_contents()
    expect(page, "#prediction").to_have_text(", ".join(named))
    expect(page, "#status").to_contain_text("“synthetic000003.jpg”")
    expect(page, "#thumbs img").to_have_count(6)
    # A training poster finds itself.
    expect(page, "#thumbs li:first-child").to_contain_text("synthetic000003.jpg")
    expect(page, "#thumbs li:first-child").to_contain_text("100 % similar")
    widths = "images => images.map(image => image.naturalWidth)"
    assert min(page.locator("#result img:visible").evaluate_all(widths)) > 0


def test_a_click_on_a_genre_shows_and_hides_its_saliency_map(page, posters):
    choose(page, posters.data[5])
    genre = page.locator("#genres button").first
    name = genre.locator(".name").inner_text()
    genre.click()
    expect(page, "#map").to_be_visible()
    expect(page, "#caption").to_contain_text(f"areas contribute more to {name}.")
    assert genre.get_attribute("aria-pressed") == "true"
    poster, shown = (page.locator(name).bounding_box() for name in ("#poster", "#map"))
    assert shown == poster
    assert page.locator("#map").evaluate("image => image.naturalWidth") > 0
    genre.click()
    expect(page, "#map").to_be_hidden()
    assert genre.get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(
    ("status", "response", "shown"),
    [
        (200, {"found": False, "image": None}, "No part of this poster contributes to"),
        (422, {"error": "This model has no saliency maps."}, "no saliency maps."),
        (500, "no JSON", "Something went wrong. See the terminal of the server."),
    ],
)
def test_a_genre_without_a_map_says_why(page, posters, status, response, shown):
    page.route("**/explain", lambda route: route.fulfill(status=status, json=response))
    if status == 500:
        page.route("**/explain", lambda route: route.fulfill(status=500, body=response))
    choose(page, posters.data[5])
    page.locator("#genres button").first.click()
    expect(page, "#caption").to_contain_text(shown)
    expect(page, "#map").to_be_hidden()


def test_the_keyboard_is_enough(page, posters):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    choose(page, posters.data[5])
    expect(page, "#genres button").to_have_count(3)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page, "#map").to_be_visible()
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    )


def test_a_poster_can_be_dropped(page, posters):
    content = list(Path(posters.data[0]).read_bytes())
    page.evaluate(
        """content => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([new Uint8Array(content)], "dropped.jpg"));
            document.body.dispatchEvent(new DragEvent("drop",
                { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    expect(page, "#status").to_contain_text("“dropped.jpg”")


def test_a_text_renamed_to_jpg_is_refused_with_a_message(page, posters):
    choose(page, posters.data[0])
    expect(page, "#result").to_be_visible()
    text = {"name": "plot.jpg", "mimeType": "image/jpeg", "buffer": b"Once upon a time"}
    choose(page, text)
    expect(page, "#error").to_have_text(
        "'plot.jpg' is not an image in an allowed format. Choose a JPEG, PNG, WebP, "
        "GIF or BMP file."
    )
    expect(page, "#result").to_be_hidden()
    choose(page, posters.data[0])
    expect(page, "#result").to_be_visible()
    expect(page, "#error").to_be_hidden()


def test_a_hundred_megapixels_are_refused_before_they_are_decoded(page, server):
    content = png_of_one_colour(10_000)
    before = most_memory(server)
    choose(page, {"name": "vast.png", "mimeType": "image/png", "buffer": content})
    expect(page, "#error").to_have_text(
        "'vast.png' has 10000 × 10000 pixels (100 million); at most 50 million are "
        "allowed. Save a smaller copy."
    )
    # Decoded, they would take 300 MB.
    assert most_memory(server) - before < 100e6


def test_a_file_that_is_too_large_is_not_even_sent(page, tmp_path):
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    (tmp_path / "a.png").write_bytes(bytes(20_100_000))
    choose(page, tmp_path / "a.png")
    expect(page, "#error").to_contain_text("“a.png” has 20.1 MB, more than the 20 MB")
    assert sent == []


@pytest.mark.parametrize("is_poster", [True, False], ids=["poster", "text"])
def test_markup_in_a_file_name_is_shown_as_text(page, posters, is_poster):
    content = Path(posters.data[0]).read_bytes() if is_poster else b"text"
    choose(page, {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": content})
    shown = "#status" if is_poster else "#error"
    expect(page, shown).to_contain_text(HOSTILE)
    page.wait_for_timeout(100)
    assert page.evaluate("window.fooled") is None
    assert page.locator("img[src=x], b[onclick]").count() == 0


@pytest.mark.parametrize(
    ("unlike", "shown"),
    [
        (
            "unlike 97 % of the training posters",
            "This image is unlike 97 % of the training posters. The prediction may "
            "mean little.",
        ),
        (None, None),
    ],
)
def test_a_novel_image_is_pointed_out(page, unlike, shown):
    response = {
        "image": "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "neighbors": None,
        "novelty": 0.97,
        "unlike": unlike,
        "genres": [],
    }
    page.route("**/predict", lambda route: route.fulfill(json=response))
    choose(page, {"name": "a.png", "mimeType": "image/png", "buffer": b"any"})
    expect(page, "#result").to_be_visible()
    if shown is None:
        expect(page, "#unlike").to_be_hidden()
    else:
        expect(page, "#unlike").to_have_text(shown)


def test_many_genres_are_listed_on_request(page):
    cells = [(f"Genre {n}", 1 - n / 30, n < 2) for n in range(25)]
    response = {
        "image": "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "neighbors": None,
        "genres": [
            {"name": name, "probability": p, "chosen": named, "threshold": None}
            for name, p, named in cells
        ],
    }
    page.route("**/predict", lambda route: route.fulfill(json=response))
    choose(page, {"name": "a.png", "mimeType": "image/png", "buffer": b"any"})
    expect(page, "#genres button:visible").to_have_count(10)
    expect(page, "#mark").to_be_hidden()
    page.get_by_role("button", name="Show all 25 genres").click()
    expect(page, "#genres button:visible").to_have_count(25)


def test_the_page_says_when_its_server_has_gone(page):
    page.route("**/predict", lambda route: route.abort())
    choose(page, {"name": "a.png", "mimeType": "image/png", "buffer": b"any"})
    expect(page, "#error").to_contain_text("Cannot reach the server")


def test_a_request_under_another_name_is_refused(server):
    request = urllib.request.Request(server.url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)
