"""What does a visitor of the web page notice of others who mean it no good?

The page runs in a process of its own. 40 posters are sent at once, alone and beside 8
uploads that never end, and each response is compared with what the model predicts.
Ctrl-C is pressed while nothing, half a request, an unfinished upload or a poster that
takes long is open.
"""

import contextlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from _common import machine, parsed, parser, write_json

N_POSTERS, N_ENDLESS = 40, 8
BOUNDARY = b"x-x-x"
TIMEOUT = 120
# How long Ctrl-C may take before it is pressed again.
PATIENCE = 20


def make_model(folder):
    """Train a model in a folder; return its file and posters."""
    from sk_posters import make_poster_pipeline, save_model
    from sk_posters.datasets import make_posters

    posters = make_posters(
        N_POSTERS, n_labels=3, random_state=0, data_home=Path(folder)
    )
    model = make_poster_pipeline().fit(posters.data, posters.target)
    file = Path(folder, "it.model")
    save_model(model, file, label_names=posters.target_names)
    return file, posters, model.predict_proba(posters.data)


@contextlib.contextmanager
def serve(file):
    """Run the command in a process of its own; yield it and its port."""
    command = [sys.executable, "-c", "from sk_posters.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "app", str(file), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        for line in process.stdout:
            if found := re.search(r"at http://127\.0\.0\.1:(\d+)", line):
                yield process, int(found[1])
                break
    finally:
        process.kill()
        process.wait()


def make_body(content):
    head = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; '
    head += b'filename="a.jpg"\r\n\r\n'
    return head + content + b"\r\n--" + BOUNDARY + b"--\r\n"


def make_request(port, body, length=None):
    kind = b"multipart/form-data; boundary=" + BOUNDARY
    return (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: "
        + kind
        + b"\r\nContent-Length: %d\r\n\r\n" % (length or len(body))
    ) + body


def predict(port, content):
    """Return status, probabilities by genre, and seconds."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        make_body(content),
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"},
    )
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            genres = json.load(response)["genres"]
    except urllib.error.HTTPError as error:
        return error.code, None, time.perf_counter() - started
    except OSError as error:
        return repr(error), None, time.perf_counter() - started
    seconds = time.perf_counter() - started
    return 200, {each["name"]: each["probability"] for each in genres}, seconds


def send_all(port, posters, expected):
    """Send all posters at once; return how many were right, and percentiles."""
    results = [None] * len(posters.data)

    def send(row):
        results[row] = predict(port, Path(posters.data[row]).read_bytes())

    rows = range(len(results))
    threads = [threading.Thread(target=send, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    right = sum(
        status == 200
        and np.allclose([found[name] for name in posters.target_names], row, atol=1e-6)
        for (status, found, _), row in zip(results, expected, strict=True)
    )
    seconds = [each for status, _, each in results if status == 200] or [float("nan")]
    return {
        "right": int(right),
        "refused": sum(status != 200 for status, *_ in results),
        "median, s": float(np.median(seconds)),
        "p95, s": float(np.percentile(seconds, 95)),
    }


def open_endless(port, n=N_ENDLESS):
    """Open uploads that begin and never go on."""
    opened = []
    for _ in range(n):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(make_request(port, make_body(b"\xff\xd8")[:120], 9_000_000))
        opened.append(connection)
    time.sleep(0.5)
    return opened


def make_slow_poster():
    """Return a JPEG that takes seconds: 49 million pixels in ten scans."""
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (7000, 7000), "navy").save(content, "JPEG", progressive=True)
    return content.getvalue()


def open_half_request(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET / HTTP/1.1\r\nHo")
    return [connection]


def open_slow_poster(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(make_request(port, make_body(make_slow_poster())))
    time.sleep(1)
    return [connection]


OPEN = {
    "nothing": lambda port: [],
    "half a request": open_half_request,
    "8 uploads that never end": open_endless,
    "a slow poster": open_slow_poster,
}


def press_ctrl_c(file, what):
    """Return how long the page takes to end, and how often Ctrl-C was pressed."""
    with serve(file) as (process, port):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
        opened = OPEN[what](port)
        started, n_pressed = time.perf_counter(), 0
        while process.poll() is None and n_pressed < 3:
            process.send_signal(signal.SIGINT)
            n_pressed += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        seconds = time.perf_counter() - started
        for connection in opened:
            connection.close()
        printed = process.stdout.read()
        return {
            "seconds": seconds,
            "pressed": n_pressed,
            "exit code": process.poll(),
            "printed": printed[-300:],
        }


def main(arguments=None):
    options = parsed(parser(__doc__, data=False, repeat=1), arguments)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        file, posters, expected = make_model(folder)
        for what in ("alone", f"beside {N_ENDLESS} that never end"):
            with serve(file) as (_, port):
                predict(port, Path(posters.data[0]).read_bytes())
                opened = [] if what == "alone" else open_endless(port)
                found[what] = send_all(port, posters, expected)
                for connection in opened:
                    connection.close()
            print(f"{N_POSTERS} posters at once, {what}: {found[what]}")
        for what in OPEN:
            found[what] = press_ctrl_c(file, what)
            print(f"Ctrl-C, {what} open: {found[what]}")
    write_json(options, Path(__file__).stem, {"machine": machine(), "found": found})


if __name__ == "__main__":
    main()
