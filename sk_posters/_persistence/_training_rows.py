"""What a model file keeps of its training rows: a salted hash of each."""

import hashlib
import os

import numpy as np

from sk_posters._images._cache import hash_source
from sk_posters._images._machine import explain_machine
from sk_posters._images._sources import check_sources, holds_sources
from sk_posters.exceptions import ModelFileError, PosterFileError

__all__ = ["hash_rows", "match_rows", "pack_hashes"]

N_SALT, N_HASH = 16, 8


def hash_rows(X, name):
    """Return the SHA-256 of each row, None for a file that cannot be read."""
    if holds_sources(X):
        return [_hash_if_readable(source) for source in check_sources(X, name)]
    return [_hash_array(row) for row in np.asarray(X)]


def _hash_if_readable(source):
    try:
        return hash_source(source).digest()
    except (OSError, PosterFileError) as error:
        fault = explain_machine(error, source)
        if fault is not None:
            raise fault from error
        return None


def _hash_array(row):
    digest = hashlib.sha256(f"{row.shape} {row.dtype}".encode())
    digest.update(np.ascontiguousarray(row))
    return digest.digest()


def pack_hashes(digests):
    """Return a random salt and the salted hash of each digest, without their order."""
    salt = os.urandom(N_SALT)
    return salt + np.unique(_salt_hashes(digests, salt)).tobytes()


def match_rows(content, digests):
    """Return which digests are among those of `pack_hashes`."""
    if len(content) < N_SALT or (len(content) - N_SALT) % N_HASH:
        raise ModelFileError(
            f"the hashes of its training rows have {len(content)} bytes, which do not "
            f"fit a salt of {N_SALT} and {N_HASH} for each row"
        )
    salt, hashes = content[:N_SALT], np.frombuffer(content[N_SALT:], dtype="<u8")
    is_known = np.array([digest is not None for digest in digests], dtype=bool)
    # Two unreadable files need not be the same.
    found = np.zeros(len(digests), dtype=bool)
    found[is_known] = np.isin(_salt_hashes(digests, salt), hashes)
    return found


def _salt_hashes(digests, salt):
    hashes = [
        hashlib.blake2b(digest, digest_size=N_HASH, salt=salt).digest()
        for digest in digests
        if digest is not None
    ]
    return np.frombuffer(b"".join(hashes), dtype="<u8")
