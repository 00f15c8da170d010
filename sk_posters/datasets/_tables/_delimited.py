"""Text files with a row per line: their encoding, separator and header."""

import codecs
import csv
import io
import re
from typing import NamedTuple

import pandas as pd

from sk_posters._images._suffixes import has_image_suffix
from sk_posters.datasets._tables._compressed import open_file

__all__ = ["detect_encodings", "read_delimited"]

SAMPLE = 1 << 18
MAX_COLUMNS = 20_000  # 100,000 took half a minute, and are hardly labels.
BLANKS = r"\s+"
SEPARATOR_LINE = re.compile(r"sep=([^\r\n])\r?\n", re.IGNORECASE)
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    # Before those of UTF-16, one of which is the start of one of these.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Layout(NamedTuple):
    """How the lines of a text file are read."""

    separator: str
    n_skipped: int = 0
    is_header_short: bool = False

    def __str__(self):
        name = SEPARATORS.get(self.separator, "blanks")
        text = "separated by blanks" if name == "blanks" else f"{name}-separated"
        if self.n_skipped:
            text += ", after a first line that is no header"
        if self.is_header_short:
            text += ", with a header that does not name the first column"
        return text


def read_delimited(path, suffix, encoding=None):
    """Return the table with every field as the text of the file, and what it is."""
    with open_file(path) as file:
        sample = file.read(SAMPLE)
    if not SEPARATOR_LINE.sub("", sample.decode("latin-1"), 1).strip():
        raise ValueError(f"{path}: the table is empty, not even a header.")
    encodings = [encoding] if encoding else detect_encodings(sample)
    for name in encodings:
        try:
            "a".encode(name)  # Some, such as base64, are no encodings of text.
            table, layout = _read_in(path, sample, suffix, name)
        except UnicodeError as error:
            reason = error
            continue
        except LookupError as error:
            raise ValueError(
                f"{path}: encoding must be one that Python knows: got {encoding!r}."
            ) from error
        shown = name.removesuffix("-sig")
        note = ""
        if name in ("cp1252", "latin-1") and not encoding:
            note = " (it is not UTF-8; if letters look wrong, give its encoding)"
        return table, f"{layout}, encoding {shown}{note}"
    raise ValueError(
        f"{path}: the table must be text in {encoding or 'UTF-8'}: {reason}. Give its "
        "encoding, such as encoding='cp1252'."
    ) from reason


def detect_encodings(sample):
    """Return the encodings to try, in this order."""
    for mark, name in MARKS.items():
        if sample.startswith(mark):
            return [name]
    zeros = [place for place, byte in enumerate(sample[:200]) if byte == 0]
    # A letter in UTF-16 is a byte and a zero; in other text, a zero is an accident.
    if len(zeros) > 3 and len({place % 2 for place in zeros}) == 1:
        return ["utf-16-le" if zeros[0] % 2 else "utf-16-be"]
    return ["utf-8-sig", "cp1252", "latin-1"]


def _read_in(path, sample, suffix, encoding):
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    text = decoder.decode(sample, final=False)
    layout = _find_layout(text, suffix, is_whole=len(sample) < SAMPLE)
    header = _split_line(text, layout)
    if len(header) > MAX_COLUMNS:
        raise ValueError(
            f"{path}: a table may have {MAX_COLUMNS:,} columns at most: the header has "
            f"{len(header):,} or more. Leave out what is no label, or give the labels "
            "of a row as a text in one column."
        )
    options = {
        # Read without a header: as a header, pandas would rename a repeated column
        # ("Drama" to "Drama.1") and take the first column of longer rows for an index.
        # And as text: "N/A" is a genre, and an id such as "0012" is not a number.
        "header": None,
        "dtype": str,
        "keep_default_na": False,
        "encoding": encoding,
        "sep": layout.separator,
        "skiprows": layout.n_skipped + layout.is_header_short,
        # Else quotes after a blank would be part of the text.
        "skipinitialspace": any(name[:1] == " " for name in header[1:]),
    }
    try:
        with open_file(path) as file:
            rows = pd.read_csv(file, **options)
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{path}: the table has a header, but no rows.") from error
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{path}: not a {layout} table with rows of one length: {error}"
        ) from error
    if layout.is_header_short:
        names, first = ["", *header], 0
    else:
        names, first = rows.iloc[0].tolist(), 1
    _check_header(names, path)
    if len(rows) == first:
        raise ValueError(f"{path}: the table has a header, but no rows.")
    if len(names) != len(rows.columns):
        raise ValueError(
            f"{path}: not a {layout} table with rows of one length: the header has "
            f"{len(names)} fields, and rows have {len(rows.columns)}."
        )
    table = rows.iloc[first:].reset_index(drop=True)
    # A row that is too short leaves holes even so.
    holes = table.columns[table.isna().any()]
    if len(holes):
        table[holes] = table[holes].fillna("")
    return table.set_axis(names, axis=1), layout


def _find_layout(text, suffix, *, is_whole):
    """Return the separator by which most rows have as many fields as the header."""
    if named := SEPARATOR_LINE.match(text):  # As Excel reads and writes it.
        return Layout(named[1], n_skipped=1)
    scores = {}
    for separator in SEPARATORS:
        counts = _count_fields(text, separator, is_whole)
        if counts and counts[0] > 1:
            rows = counts[1:] or counts
            share = sum(count == counts[0] for count in rows) / len(rows)
            is_expected = separator == ("\t" if suffix in (".tsv", ".tab") else ",")
            scores[separator] = (round(share, 2), is_expected)
    best = max(scores, key=scores.get, default=None)
    if best is None or scores[best][0] <= 0.5:
        return _find_blank_layout(text, is_whole) or Layout(best or ",")
    return Layout(best)


def _count_fields(text, separator, is_whole):
    try:
        file = io.StringIO(text, newline="")
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        counts = [len(row) for row in reader if row]
    except csv.Error:
        return []
    return counts if is_whole else counts[:-1]


def _find_blank_layout(text, is_whole):
    """Return the layout of lines split at blanks, or None if they do not fit."""
    lines = [line for line in text.splitlines() if line.strip()]
    lines = lines if is_whole else lines[:-1]
    n_skipped = int(len(lines) > 2 and lines[0].strip().isdecimal())
    counts = [len(line.split()) for line in lines[n_skipped:]]
    if len(counts) < 2 or len(set(counts[1:])) > 1 or counts[1] < 2:
        return None
    if counts[1] - counts[0] not in (0, 1):
        return None
    return Layout(BLANKS, n_skipped, counts[1] > counts[0])


def _split_line(text, layout):
    """Return the fields of the header, as they are written."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = lines[layout.n_skipped]
    if layout.separator == BLANKS:
        return [name.strip("\"'") for name in line.split()]
    try:
        return next(csv.reader([line], delimiter=layout.separator), [])
    except csv.Error:  # A field of more than 131072 letters: no header.
        return []


def _check_header(names, path):
    """Refuse a first line that is a row: its labels would have no names."""
    texts = [str(name).strip() for name in names]
    is_row = any(map(has_image_suffix, texts)) or (
        len(texts) > 2 and all(re.fullmatch(r"-?[01](\.0)?", x) for x in texts[1:])
    )
    if is_row:
        raise ValueError(
            f"{path}: the first line must name the columns, but it looks like a row: "
            f"{texts[:5]}. Add a line with the names of the columns, or read the table "
            "with pandas and give the frame."
        )
