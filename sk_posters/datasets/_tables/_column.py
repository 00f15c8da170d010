"""One column of a table: its different values as text, and what they look like."""

import functools
import re
from numbers import Number

import numpy as np
import pandas as pd
from PIL import Image

from sk_posters._images._sources import BYTES

__all__ = ["NUMBER", "SPLIT_NAME", "Column", "as_text", "is_missing"]

SAMPLE = 1000
# What MySQL and IMDb write for a missing value.
NULL = "\\N"
# Titles and addresses: values of a label repeat.
SHARE_OF_MANY = 0.5
# Named like a part of the rows, as in a table for fastai.
SPLIT_NAME = re.compile(
    r"(is[ _-]?)?(train(ing)?|test(ing)?|valid(ation)?|val|dev|hold[ _-]?out)"
    r"|(k[ _-]?)?folds?|splits?|partition|subset",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)


class Column:
    """A column, whose values are looked at once for each of the different ones.

    `texts` are the different values as text, and `codes` say which of them is in which
    row: -1 where there is none.
    """

    def __init__(self, name, values):
        self.name = name
        self.values = values

    @functools.cached_property
    def first(self):
        """The first value that is not missing, or None."""
        for start in range(0, len(self.values), SAMPLE):
            for value in self.values.iloc[start : start + SAMPLE]:
                if not is_missing(value):
                    return value
        return None

    @property
    def holds_lists(self):
        return isinstance(self.first, (list, tuple, set, frozenset, np.ndarray))

    @property
    def holds_images(self):
        return _is_image(self.first)

    @property
    def is_plain(self):
        """Whether values are texts, numbers or booleans."""
        return self.first is None or isinstance(self.first, (str, Number, np.bool_))

    @property
    def is_split(self):
        return SPLIT_NAME.fullmatch(self.name) is not None

    @functools.cached_property
    def sample(self):
        """Texts of at most a thousand rows, missing ones left out."""
        step = max(1, len(self.values) // SAMPLE)
        texts = [as_text(value) for value in self.values.iloc[::step][:SAMPLE]]
        return [text for text in texts if text]

    @functools.cached_property
    def has_many_values(self):
        return len(set(self.sample)) > max(20, SHARE_OF_MANY * len(self.sample))

    @property
    def is_number(self):
        return bool(self.sample) and all(map(NUMBER.fullmatch, self.sample))

    @functools.cached_property
    def _factorized(self):
        try:
            codes, values = pd.factorize(self.values)
        except TypeError:  # Lists among texts.
            codes, values = pd.factorize(self.values.map(as_text))
        texts = [as_text(value) for value in values]
        if "" in texts:
            codes = np.where(np.isin(codes, [texts.index("")]), -1, codes)
        return codes, texts

    @property
    def codes(self):
        return self._factorized[0]

    @property
    def texts(self):
        return self._factorized[1]

    def find_row(self, text):
        """Return the first row with this text, "" for a missing value."""
        code = -1 if text == "" else self.texts.index(text)
        return int((self.codes == code).argmax())

    @functools.cached_property
    def has_missing(self):
        return bool((self.codes < 0).any())

    def count(self, texts):
        """Return the number of rows with one of these texts."""
        wanted = [k for k, text in enumerate(self.texts) if text in texts]
        wanted += [-1] if "" in texts else []
        return int(np.isin(self.codes, wanted).sum())


def as_text(value):
    """Return a value as the text that a CSV file would hold; "" if it is missing."""
    if isinstance(value, str):
        text = value.strip()
        return "" if text == NULL else text
    if is_missing(value):
        return ""
    try:
        return str(value).strip()
    except ValueError:  # A whole number of thousands of digits.
        return hex(value)


def is_missing(value):
    """Tell whether a value is None, nan or the like; lists and images are not."""
    if isinstance(value, (list, tuple, set, frozenset, dict, np.ndarray, Image.Image)):
        return False
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _is_image(value):
    """Tell whether a value is an image itself: bytes, a PIL image, or both' dict."""
    if isinstance(value, dict):
        return value.keys() <= {"bytes", "path"} and len(value) > 0
    return isinstance(value, (*BYTES, Image.Image))
