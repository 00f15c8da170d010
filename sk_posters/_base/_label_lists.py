"""Targets that hold the names of each row's labels: refused, with the way to 0/1."""

import numpy as np

__all__ = ["refuse_label_lists"]


def refuse_label_lists(y, name="y"):
    """Refuse a target of lists of label names, or of texts that hold several."""
    if len(getattr(y, "shape", (0,))) != 1:
        return
    values = y if isinstance(y, list | tuple) else np.asarray(y)
    if isinstance(values, np.ndarray) and (
        values.dtype.kind not in "OSU" or values.ndim != 1
    ):
        return
    for value in values:
        if _is_list_of_names(value):
            raise ValueError(
                f"{name} must be a 0/1 matrix with a column per label: got lists of "
                f"label names, such as {value!r}. Make such a matrix of them: "
                f"{name} = pd.Series(map('|'.join, {name})).str.get_dummies(), or "
                "sklearn.preprocessing.MultiLabelBinarizer; load_poster_table reads a "
                "table with such a column."
            )
    texts = {value for value in values if isinstance(value, str)}
    way = _find_way(texts)
    if way is not None:
        separator, method = way
        first = next(value for value in values if separator in str(value))
        raise ValueError(
            f"{name} must be a 0/1 matrix with a column per label: got texts that hold "
            f"several labels, such as {str(first)!r}. Make such a matrix of them: "
            f"{name} = pd.Series({name}){method}; load_poster_table reads a table with "
            "such a column. If each text is one class, number the classes: "
            f"{name} = pd.factorize({name})[0]."
        )


def _is_list_of_names(value):
    is_list = isinstance(value, list | tuple | set | frozenset | np.ndarray)
    return is_list and np.ndim(value) < 2 and isinstance(next(iter(value), None), str)


def _find_way(texts):
    """Return what separates labels in texts, and the methods that make a matrix."""
    if any(text.strip()[:1] in set("[{(") and "'" in text for text in texts):
        method = ".map(ast.literal_eval).map('|'.join).str.get_dummies()"
        return "'", method
    for separator in "|;, ":
        parts = [part for text in texts for part in text.split(separator)]
        if len(parts) == len(texts):
            continue
        # Names of classes may hold a comma or a blank; then their parts are many.
        few = len({part.strip() for part in parts} - {""}) <= len(texts)
        if separator in "|;" or few:
            spaced = separator != " " and any(f"{separator} " in text for text in texts)
            return separator, f".str.get_dummies({separator + ' ' * spaced!r})"
    return None
