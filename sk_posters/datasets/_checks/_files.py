"""What one poster says of itself: size, spread of its colours, and hashes."""

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from sk_posters._base._optional import import_optional
from sk_posters._base._threads import map_in_threads
from sk_posters._images._cache import hash_source
from sk_posters._images._decoding import decode_whole
from sk_posters._images._sources import MemoryImage
from sk_posters.exceptions import PosterFileError

__all__ = ["BLANK_SPREAD", "PosterFacts", "read_facts"]

# Standard deviation of the channel that varies most, in levels from 0 to 255. The noise
# of JPEG on one colour stays below, and a few letters on it lie above.
BLANK_SPREAD = 2
HASHED_SIDE = 32  # The size to which phash reduces an image.


@dataclass(frozen=True, slots=True)
class PosterFacts:
    """What is kept of a source once it has been decoded."""

    reason: str | None = None
    height: int | None = None
    width: int | None = None
    spread: float | None = None
    content: bytes | None = None
    pixels: bytes | None = None
    code: int | None = None
    mirrored: int | None = None
    depth: str | None = None

    @property
    def is_blank(self):
        """Whether the image is of one colour."""
        return self.reason is None and self.spread < BLANK_SPREAD


def read_facts(sources, *, with_codes, n_jobs=None, verbose=0):
    """Decode each source once and return what there is to say about it."""
    phash = None
    if with_codes:
        purpose = "check_posters, which looks for near duplicates unless max_distance="
        phash = import_optional(
            "imagehash", extra="check", purpose=purpose + "None,"
        ).phash
    facts = tqdm(
        map_in_threads(lambda source: _facts(source, phash), sources, n_jobs),
        desc="Checking posters",
        total=len(sources),
        unit="file",
        disable=not verbose,
    )
    return dict(zip(sources, facts, strict=True))


def _facts(source, phash):
    try:
        pixels, depth = decode_whole(source)
    except PosterFileError as error:
        return PosterFacts(reason=error.failed[0][1])
    content = None
    if not (isinstance(source, MemoryImage) and source.is_decoded):
        content = hash_source(source).digest()
    height, width, _ = pixels.shape
    # Pixels alone do not tell 2 x 3 from 3 x 2.
    digest = hashlib.sha256(f"{height}x{width}".encode() + pixels.tobytes()).digest()
    spread = max(float(pixels[..., channel].std()) for channel in range(3))
    codes = None, None
    if phash is not None and spread >= BLANK_SPREAD:
        codes = _hash_both_ways(pixels, phash)
    return PosterFacts(None, height, width, spread, content, digest, *codes, depth)


def _hash_both_ways(pixels, phash):
    """Return the perceptual hashes of an image and of its mirror image."""
    # Reduced once for both.
    size = HASHED_SIDE, HASHED_SIDE
    grey = Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.LANCZOS)
    hashes = [phash(image).hash for image in (grey, ImageOps.mirror(grey))]
    return [int.from_bytes(np.packbits(bits).tobytes(), "big") for bits in hashes]
