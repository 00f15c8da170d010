"""Image towers of the Hugging Face hub: an address in, the files of one commit out.

Only ONNX files, the weights that they name and JSON are fetched, and no code. All is
kept in the cache of huggingface_hub, where it is found again without a network.
"""

import re
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from sk_posters._base._optional import import_optional
from sk_posters._base._regular import read_regular
from sk_posters._features._onnx_files import is_inside, list_weights
from sk_posters._features._preprocessor import Preprocessor

__all__ = ["PREFIX", "HubNetwork", "fetch", "parse_address", "pin"]

PREFIX = "hf://"
ALLOWED = (
    "backbone must name a model of the hub as hf://OWNER/NAME, with @REVISION after "
    "NAME for a branch, tag or commit, and a path such as /onnx/model_fp16.onnx at the "
    "end for one of its ONNX files"
)
# As HfFileSystem writes them.
ADDRESS = re.compile(
    r"hf://(?:models/)?(?P<repo>\w[\w.-]*/\w[\w.-]*)"
    r"(?:@(?P<revision>refs/pr/\d+|refs/convert/[\w.-]+|[^/@]+))?"
    r"(?:/(?P<file>[^@]+\.onnx))?"
)
NO_MODELS = ("datasets/", "spaces/", "buckets/", "kernels/")
COMMIT = re.compile(r"[0-9a-f]{40}")

# Where exporters put them. The image tower of two comes first.
CANDIDATES = (
    *("onnx/vision_model.onnx", "vision_model.onnx"),
    *("onnx/model.onnx", "model.onnx"),
)
CONFIG = "preprocessor_config.json"
TIMEOUT = 10
MAX_LISTED = 10


class Address(NamedTuple):
    """A repository, and what of it; the text is what the user gave."""

    text: str
    repo: str
    revision: str
    file: str | None


class HubNetwork(NamedTuple):
    """The files of a network in the cache of huggingface_hub.

    `weights` are name and path of each file beside the ONNX file that it names.
    """

    name: str
    path: str
    weights: tuple
    preprocessor: Preprocessor | None


@lru_cache(64)
def pin(text):
    """Return an address with the commit and the file that it means.

    The first call asks the hub, so that all folds of a process use the same commit.
    """
    address = parse_address(text)
    if address.file and COMMIT.fullmatch(address.revision):
        return _write(address, address.revision, address.file)
    hub = _import(text)
    wanted = CANDIDATES if address.file is None else [address.file]
    try:
        found = hub.HfApi().model_info(
            address.repo, revision=address.revision, timeout=TIMEOUT
        )
    except Exception as error:  # Of httpx, httpx2 or requests, by version.
        file, path = _find_cached(hub, address, wanted)
        if path is None:
            raise _explain(error, hub, address, wanted[0]) from error
    else:
        names = [sibling.rfilename for sibling in found.siblings or ()]
        file = next((name for name in wanted if name in names), None)
        if file is None:
            raise _refuse(address, names)
        path = _download(hub, address, file)
    # The folder of a snapshot is named by its commit.
    return _write(address, Path(path).parts[-1 - len(Path(file).parts)], file)


@lru_cache(64)
def fetch(pinned):
    """Return the files of a pinned address; those that are cached need no network."""
    address = parse_address(pinned)
    hub = _import(pinned)
    path = _download(hub, address, address.file)
    weights = []
    for name in list_weights(read_regular(path)):
        beside = (PurePosixPath(address.file).parent / name).as_posix()
        if not is_inside(name):
            raise ValueError(
                f"backbone: {pinned!r} names the file of weights {name!r}, which is "
                "outside of its folder. It was not opened: choose another export"
            )
        weights.append((name, _download(hub, address, beside)))
    config = _download_config(hub, address)
    preprocessor = None if config is None else Preprocessor(config, pinned)
    name = address.repo.partition("/")[2]
    return HubNetwork(name, path, tuple(weights), preprocessor)


def parse_address(text):
    """Return what an address names; raise if it is none of a model on the hub."""
    found = ADDRESS.fullmatch(text)
    if found and not found["repo"].startswith(NO_MODELS):
        revision = unquote(found["revision"] or "main")
        # Both are parts of paths in the cache.
        if is_inside(revision) and is_inside(found["file"] or "file"):
            return Address(text, found["repo"], revision, found["file"])
    raise ValueError(f"{ALLOWED}; got {text!r}")


def _write(address, commit, file):
    return f"{PREFIX}{address.repo}@{commit}/{file}"


def _import(text):
    return import_optional(
        "huggingface_hub", extra="hub", purpose=f"The backbone {text!r}"
    )


def _find_cached(hub, address, files):
    """Return the first of some files that is in the cache, and its path, or None."""
    for file in files:
        path = hub.try_to_load_from_cache(address.repo, file, revision=address.revision)
        if isinstance(path, str):
            return file, path
    return None, None


def _download(hub, address, file):
    """Return the path of a file in the cache, where it is put if it is not there."""
    try:
        return hub.hf_hub_download(address.repo, file, revision=address.revision)
    except Exception as error:  # Of httpx, httpx2 or requests, by version.
        raise _explain(error, hub, address, file) from error


def _download_config(hub, address):
    """Return the path of the preprocessor's settings, or None if there are none."""
    known = hub.try_to_load_from_cache(address.repo, CONFIG, revision=address.revision)
    if known is not None:
        return known if isinstance(known, str) else None
    errors = hub.errors
    try:
        return hub.hf_hub_download(address.repo, CONFIG, revision=address.revision)
    except Exception as error:  # Of httpx, httpx2 or requests, by version.
        is_local = isinstance(error, errors.LocalEntryNotFoundError)
        if isinstance(error, errors.EntryNotFoundError) and not is_local:
            return None
        raise _explain(error, hub, address, address.file) from error


def _refuse(address, names):
    """Return the error about a repository without the file, or without any."""
    found = [name for name in names if name.endswith(".onnx")]
    if found:
        wanted = _shorten(CANDIDATES if address.file is None else [address.file])
        return ValueError(
            f"backbone: {address.repo!r} at {address.revision!r} has no file {wanted}; "
            f"its ONNX files are {_shorten(found)}. Name one of them at the end, as in "
            f"{PREFIX}{address.repo}/{found[0]}; got {address.text!r}"
        )
    return ValueError(
        f"backbone: {address.repo!r} at {address.revision!r} has no ONNX file, only "
        f"{_shorten(names) or 'nothing'}. Look for a repository that has one, often "
        "one of onnx-community of the same name; or export it: optimum-cli export onnx "
        f"--model {address.repo} --task feature-extraction FOLDER, and give the path "
        f"of the ONNX file as backbone; got {address.text!r}"
    )


def _shorten(names):
    more = len(names) - MAX_LISTED
    listed = ", ".join(map(repr, names[:MAX_LISTED]))
    return f"{listed} and {more} more" if more > 0 else listed


def _explain(error, hub, address, file):
    """Return an error that says what to do about one of huggingface_hub."""
    errors, constants = hub.errors, hub.constants
    repo, revision, end = address.repo, address.revision, f"; got {address.text!r}"
    page = f"{constants.ENDPOINT}/{repo}"
    if isinstance(error, errors.GatedRepoError):
        return PermissionError(
            f"backbone: access to {repo!r} is restricted. Ask for it at {page}, then "
            f"log in with: hf auth login, or set HF_TOKEN{end}"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ValueError(
            f"backbone: there is no model {repo!r} at {constants.ENDPOINT}, or it is "
            "private. Check owner and name; for a private one log in with: hf auth "
            f"login, or set HF_TOKEN{end}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ValueError(
            f"backbone: {repo!r} has no revision {revision!r}. Give a branch, a tag or "
            f"a commit of {page}/commits/main{end}"
        )
    is_local = isinstance(error, errors.LocalEntryNotFoundError)
    if isinstance(error, errors.EntryNotFoundError) and not is_local:
        return ValueError(
            f"backbone: {repo!r} at {revision!r} has no file {file!r}. See "
            f"{page}/tree/{revision}{end}"
        )
    cause = (is_local and error.__cause__) or error
    reason = f"{type(cause).__name__}: {str(cause).partition(chr(10))[0]}"
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set"
    at = "" if revision == "main" else f" --revision {revision}"
    return OSError(
        f"backbone: {address.text!r} is not in the cache of huggingface_hub, "
        f"{constants.HF_HUB_CACHE!r}, and cannot be downloaded from "
        f"{constants.ENDPOINT} ({reason}). On a machine with a network, run: hf "
        f"download {repo} {file} {CONFIG}{at}; then copy the folder "
        f"models--{repo.replace('/', '--')} from its cache into the one here. Large "
        f"networks have their weights in another file, such as {file}_data: name it, "
        "too"
    )
