"""Download one file over HTTP: retried, and continued where it broke off."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

__all__ = ["download"]

TIMEOUT = 30
CHUNK = 1 << 16
# Errors that may pass with time; any other response of a server is final.
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
NOTHING_LEFT_TO_SEND = 416


def download(url, file, *, n_retries, delay, verbose=0):
    """Download a file into a ``.part`` file next to it, then rename it."""
    if file.is_file():
        return True
    part = Path(f"{file}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in range(n_retries, -1, -1):
        try:
            resumed = _download_rest(url, part, verbose)
            break
        except urllib.error.HTTPError as error:
            if left == 0 or error.code not in PASSING_STATUS:
                raise
        except (OSError, http.client.HTTPException):
            if left == 0:
                raise
        time.sleep(delay)
    part.rename(file)
    return resumed


def _download_rest(url, part, verbose):
    """Ask for what is missing of a part; return whether it was continued."""
    n_there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)
    if n_there:
        request.add_header("Range", f"bytes={n_there}-")
    try:
        # The address is the package's own.
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # nosec B310
    except urllib.error.HTTPError as error:
        if n_there and error.code == NOTHING_LEFT_TO_SEND:
            return True
        raise
    with response:
        # A server that knows no ranges sends everything from the start.
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        n_got = 0
        with (
            open(part, "ab" if resumed else "wb") as file,
            tqdm(
                desc="Downloading",
                total=int(length) if length else None,
                unit="B",
                unit_scale=True,
                disable=not verbose,
            ) as progress,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                n_got += len(chunk)
                progress.update(len(chunk))
    if length and n_got < int(length):
        raise ConnectionError(f"the connection ended after {n_got} of {length} bytes")
    return resumed
