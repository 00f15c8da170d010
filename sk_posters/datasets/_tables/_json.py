"""JSON: a record per line or in a list, labels by file name, or the form of COCO."""

import json
import re
from collections import Counter

import pandas as pd

from sk_posters._base._validation import check_text, shorten
from sk_posters._images._suffixes import has_image_suffix
from sk_posters.datasets._tables._compressed import open_file

__all__ = ["read_json"]

COCO = {"images", "annotations", "categories"}
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
MAX_DIGITS = 300  # No float has more, and int refuses more than 4300.
SHAPES = (
    "a list of objects, an object of file names and their labels, or the images, "
    "annotations and categories of COCO"
)


class RepeatedKey(Exception):
    """A key that an object has more than once, of whose values JSON keeps the last."""


def read_json(path, encoding=None):
    """Return the records of a JSON file as a frame, and what it is."""
    with open_file(path) as file:
        content = file.read()
    try:
        text = content.decode(encoding or json.detect_encoding(content))
    except (LookupError, UnicodeError) as error:
        raise ValueError(
            f"{path}: JSON must be text in {encoding or 'UTF-8'}: {error}. Give its "
            "encoding, such as encoding='cp1252'."
        ) from error
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ValueError(f"{path}: the table is empty, without any record.")
    try:
        value, is_lines = _read_values(text, path)
    except RepeatedKey as error:
        raise ValueError(
            f"{path}: the key {str(error)!a:.80} occurs more than once in one object, "
            "so that one of its values would be lost. Rename or join them."
        ) from error
    _check_text(value, text, path)
    if is_lines:
        return _frame(value, path), "JSON lines"
    if isinstance(value, dict) and value.keys() >= COCO:
        return _read_coco(value, path), "JSON in the form of COCO"
    if isinstance(value, dict) and _is_record(value):
        return _frame([value], path), "JSON lines"
    if isinstance(value, dict):
        return _read_object(value, path)
    return _frame(value, path), "JSON"


def _read_values(text, path):
    """Return the value of a text, and whether it is a list of those of its lines."""
    try:
        return _load(text), False
    except (ValueError, RecursionError):
        return _read_lines(text, path), True


def _load(text):
    return json.loads(
        text, parse_int=_read_number, object_pairs_hook=_refuse_repeated_keys
    )


def _refuse_repeated_keys(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise RepeatedKey(name)
    return found


def _read_number(text):
    """Return a whole number; as text, if it has more digits than Python reads."""
    return int(text) if len(text) <= MAX_DIGITS else text


def _read_lines(text, path):
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append(_load(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{path}: line {number} is not JSON: {error}. Each line must hold "
                    "one object, or the whole file one list of objects."
                ) from error
    return records


def _check_text(value, text, path):
    """Refuse escaped halves of characters, except bytes of names of files."""
    if not ESCAPED_HALF.search(text):
        return
    try:
        json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ValueError(
            f"{path}: JSON must hold readable text, and half of a character, {half}, "
            f"is in {error.object[max(0, error.start - 20) : error.end + 20]!a}. "
            "Correct the text."
        ) from error


def _frame(records, path):
    if not isinstance(records, list) or not records:
        raise ValueError(f"{path}: JSON must hold {SHAPES}: got {records!r:.80}.")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(
                f"{path}: JSON must hold {SHAPES}, but record {number} (counted from "
                f"0) is {record!r:.80}."
            )
    check_text({name for record in records for name in record}, f"{path}: names")
    # As objects: numbers beside missing ones would become floats.
    return pd.DataFrame(records, dtype=object)


def _is_record(value):
    """Tell whether an object is one row rather than the columns or rows of a table."""
    return not all(isinstance(item, (dict, list)) for item in value.values())


def _read_object(value, path):
    items = list(value.values())
    if items and all(isinstance(item, list) for item in items):
        is_by_file = all(map(has_image_suffix, value))
        if len({len(item) for item in items}) == 1 and not is_by_file:
            check_text(value, f"{path}: names")
            return _frame_columns(value), "JSON"
        if all(isinstance(name, str) for item in items for name in item):
            rows = {"file": list(value), "labels": items}
            return _frame_columns(rows), "JSON, labels by file name"
    elif items and all(isinstance(item, dict) for item in items):
        numbers = [str(number) for number in range(len(items[0]))]
        if list(items[0]) == numbers:  # What pandas writes.
            check_text(value, f"{path}: names")
            return pd.DataFrame(value, dtype=object).reset_index(drop=True), "JSON"
        records = [{"file": name, **item} for name, item in value.items()]
        return _frame(records, path), "JSON, an object by file name"
    raise ValueError(f"{path}: JSON must hold {SHAPES}: got keys {list(value)[:5]}.")


def _read_coco(value, path):
    """Return a row per image with the names of the categories that it shows."""
    try:
        for kind in ("images", "categories"):
            _refuse_repeated_ids([item["id"] for item in value[kind]], kind, path)
        names = {item["id"]: str(item["name"]) for item in value["categories"]}
        shown = {image["id"]: set() for image in value["images"]}
        files = [image["file_name"] for image in value["images"]]
        for item in value["annotations"]:
            shown[item["image_id"]].add(names[item["category_id"]])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: an image, annotation or category lacks what COCO asks for: "
            f"{error!r}. Images need id and file_name, annotations image_id and "
            "category_id, categories id and name."
        ) from error
    labels = [sorted(shown[image["id"]]) for image in value["images"]]
    return _frame_columns({"file_name": files, "labels": labels})


def _refuse_repeated_ids(ids, kind, path):
    doubled = [each for each, times in Counter(ids).items() if times > 1]
    if doubled:
        raise ValueError(
            f"{path}: the id of each of the {kind} must be its own, but these occur "
            f"more than once: {shorten(doubled)}. Correct them."
        )


def _frame_columns(columns):
    return pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in columns.items()})
