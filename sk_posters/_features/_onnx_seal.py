"""A checksum at the end of ONNX files, which have none of their own."""

import hashlib
import os

__all__ = ["is_damaged", "sealed"]

# An entry of the metadata, as protobuf writes it: the key, and 66 characters to follow.
# Readers of ONNX files find it among the others, as JSON like them.
ENTRY = b"\x72\x4c\x0a\x06sha256\x12\x42"
N_SEAL = len(ENTRY) + 66


def sealed(content):
    """Add a checksum to the bytes of an ONNX model."""
    return content + ENTRY + _checksum(content)


def is_damaged(path):
    """Tell whether the checksum at the end of a file is that of another content."""
    try:
        with open(path, "rb") as file:
            n_content = max(file.seek(0, os.SEEK_END) - N_SEAL, 0)
            file.seek(n_content)
            seal = file.read()
            if not seal.startswith(ENTRY):
                return False
            file.seek(0)
            return seal.removeprefix(ENTRY) != _checksum(file.read(n_content))
    except OSError:
        return False  # Whoever opens it says why it cannot be read.


def _checksum(content):
    return f'"{hashlib.sha256(content).hexdigest()}"'.encode()
