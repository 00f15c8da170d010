"""Damage done to bytes: by chance, and where it hurts the most.

Each function takes a `random.Random`, or what hypothesis gives in its place.
"""

import re
import struct
import zlib

# What counters and sizes overflow at.
EDGES = (0, 1, 0x7F, 0x80, 0xFF)
SIDES = (0, 1, 2, 16, 255, 4096, 9000, 16383, 32767, 65500, 65535)


def mutated(random, content, others):
    """Return bytes with one kind of damage, or several.

    Parameters
    ----------
    random : random.Random
        Where chance comes from.
    content : bytes
        A good file.
    others : list of bytes
        Other good files, to be spliced with.
    """
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        change = random.choice(CHANGES)
        content = change(random, content, others)
    return content


def place(random, content):
    """Return a position, often near the beginning, where sizes stand."""
    end = len(content) if random.random() < 0.8 else min(len(content), 64)
    return random.randint(0, max(end - 1, 0))


def flip(random, content, others):
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[place(random, changed)] ^= 1 << random.randint(0, 7)
    return bytes(changed)


def to_edges(random, content, others):
    start = place(random, content)
    n_bytes = random.choice((1, 2, 4, 8))
    edge = bytes([random.choice(EDGES)]) * n_bytes
    return content[:start] + edge + content[start + n_bytes :]


def truncate(random, content, others):
    return content[: place(random, content)]


def cut_out(random, content, others):
    start = place(random, content)
    return content[:start] + content[start + random.randint(1, 256) :]


def repeat(random, content, others):
    start = place(random, content)
    piece = content[start : start + random.randint(1, 64)]
    return content[:start] + piece * random.choice((2, 10, 1000)) + content[start:]


def insert(random, content, others):
    start = place(random, content)
    noise = bytes(random.randint(0, 255) for _ in range(random.randint(1, 16)))
    return content[:start] + noise + content[start:]


def splice(random, content, others):
    other = random.choice(others)
    return content[: place(random, content)] + other[place(random, other) :]


CHANGES = (flip, to_edges, truncate, cut_out, repeat, insert, splice)


def lied_about(random, content):
    """Return an image whose header tells of other sides than there are."""
    width, height = random.choice(SIDES), random.choice(SIDES)
    if content.startswith(b"\x89PNG"):
        header = struct.pack(">II", width, height) + content[24:29]
        sealed = b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
        return content[:12] + sealed + content[33:]
    if content.startswith(b"\xff\xd8"):
        frame = re.search(rb"\xff[\xc0\xc2]\x00.\x08", content, flags=re.DOTALL)
        start = frame.end() if frame else 0
        sides = struct.pack(">HH", height, width)
        return content[:start] + sides + content[start + 4 :]
    if content.startswith(b"GIF8"):
        sides = struct.pack("<HH", width, height)
        if random.random() < 0.5:
            return content[:6] + sides + content[10:]
        start = content.find(b"\x2c", 13) + 5
        return content[:start] + sides + content[start + 4 :]
    if content.startswith(b"BM"):
        sides = struct.pack("<ii", width, random.choice((-1, 1)) * height)
        return content[:18] + sides + content[26:]
    start = 24 if content[12:16] == b"VP8X" else 26
    return content[:start] + struct.pack("<HH", width, height) + content[start + 4 :]


def many_scans(random, content):
    """Return a progressive JPEG that says the same refinement again and again."""
    scans = [match.start() for match in re.finditer(rb"\xff\xda", content)]
    if len(scans) < 3:
        return content
    number = random.randint(1, len(scans) - 2)
    scan = content[scans[number] : scans[number + 1]]
    times = random.choice((2, 50, 500))
    return content[: scans[number]] + scan * times + content[scans[number] :]


def sealed_png(content):
    """Return a PNG file with the right checksum for each of its chunks."""
    fixed, start = bytearray(content), 8
    while start + 12 <= len(fixed):
        length = int.from_bytes(fixed[start : start + 4], "big")
        end = start + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[start + 4 : end]))
        start = end + 4
    return bytes(fixed)
