"""Model cards: what each field of one must be, whoever wrote it."""

import re
from collections import Counter
from numbers import Real

from sk_posters.exceptions import ModelFileError

__all__ = ["check_card", "check_label_names"]

VERSION = re.compile(r"[\w.+!-]{1,64}", re.ASCII)
MAX_DEPTH = 20
SHA256 = re.compile("[0-9a-f]{64}")


def _is_text(value):
    return isinstance(value, str)


def _is_list_of(fits):
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_dict_of(fits):
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and value == value


def _is_none_or(fits):
    return lambda value: value is None or fits(value)


def _is_version(value):
    return isinstance(value, str) and VERSION.fullmatch(value) is not None


def _is_sha256(value):
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def _is_summary(value):
    return (
        isinstance(value, dict)
        and isinstance(value.get("n_rows"), int)
        and value["n_rows"] >= 0
        and _is_sha256(value.get("sha256"))
    )


def _is_part(value):
    is_dict = isinstance(value, dict)
    return is_dict and _is_sha256(value.get("sha256"))


FIELDS = {
    "created": (_is_text, "a text"),
    "description": (_is_text, "a text"),
    "model": (_is_list_of(_is_text), "a list of texts"),
    "label_names": (
        _is_none_or(lambda value: _is_list_of(_is_text)(value) and value),
        "null, or a list of texts, one at least",
    ),
    "thresholds": (
        _is_none_or(
            lambda value: _is_list_of(_is_none_or(_is_number))(value) and value
        ),
        "null, or a list of numbers, one at least",
    ),
    "scores": (lambda value: isinstance(value, dict), "an object"),
    "training_data": (_is_none_or(_is_summary), 'null, or "n_rows" and "sha256"'),
    "versions": (_is_dict_of(_is_version), "an object of version numbers"),
    "trusted": (_is_list_of(_is_text), "a list of texts"),
    "parts": (_is_dict_of(_is_part), 'an object of parts, each with its "sha256"'),
}
# Not in cards of 0.1.0, and its value there.
LATER = {
    "preprocessing": (
        _is_list_of(lambda value: isinstance(value, dict)),
        "a list of objects",
        [],
    ),
}


def check_card(card, name):
    """Refuse a model card with fields that are missing or of another kind."""
    for field, (*_, default) in LATER.items():
        card.setdefault(field, default)
    for field, (fits, allowed, *_) in (FIELDS | LATER).items():
        if field not in card:
            raise ModelFileError(f"its {name} lacks {field!r}")
        if not fits(card[field]):
            raise ModelFileError(
                f"{field!r} in its {name} must be {allowed}; got "
                f"{ascii(card[field])[:100]}"
            )
    for field, value in card.items():
        _check_readable(field, value, name)
    names, thresholds = card["label_names"], card["thresholds"]
    check_label_names(names, None, f"'label_names' in its {name}")
    if names and thresholds and len(names) != len(thresholds):
        raise ModelFileError(
            f"its {name} has {len(names)} 'label_names' and {len(thresholds)} "
            "'thresholds', which must be as many"
        )


def check_label_names(names, n_labels, what):
    """Refuse names of another number than there are labels, or equal ones."""
    if names is None:
        return
    if n_labels not in (None, len(names)):
        raise ModelFileError(
            f"{what} must hold a name for each of the {n_labels} labels of the model; "
            f"got {len(names)}"
        )
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)[:3]
    if repeated:
        raise ModelFileError(f"{what} must differ from each other; got {repeated!a}")


def _check_readable(field, value, name):
    """Refuse lists without end, and text that no UTF-8 can hold, in a value."""
    waiting = [(field, 0), (value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ModelFileError(
                f"{field!a} in its {name} is nested more than {MAX_DEPTH} deep"
            )
        if isinstance(item, dict):
            waiting += [(each, depth + 1) for each in (*item, *item.values())]
        elif isinstance(item, list):
            waiting += [(each, depth + 1) for each in item]
        elif isinstance(item, str):
            try:
                item.encode()
            except UnicodeEncodeError:
                raise ModelFileError(
                    f"{field!a} in its {name} holds text that is no Unicode (surrogates"
                    f"): {ascii(item)[:100]}"
                ) from None
