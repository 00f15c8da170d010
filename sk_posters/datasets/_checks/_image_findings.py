"""What is wrong with images: files, duplicates, and rows of one image that disagree."""

import numpy as np

from sk_posters.datasets._checks._rows import Finding, sets_of

__all__ = ["image_findings"]

KEEP_TOGETHER = "split by the groups of this check"


def image_findings(posters, min_side):
    """Yield what is wrong with the images of some rows."""
    for rows in _rows_of_each_source(posters.sources):
        yield from _of_file(posters.facts[rows[0]], rows, min_side)
    if posters.ids is not None:
        for rows in sets_of(posters.ids):
            yield _report_repeated(posters, rows)
    for rows in sets_of(posters.images):
        if not posters.share_id(rows):
            yield _report_exact(posters, rows)
    for rows in sets_of(posters.looks):
        if len(set(posters.images[rows])) > 1 and not posters.share_id(rows):
            yield _report_near(posters, rows)
    for rows in sets_of(posters.same):
        names = posters.names_that_differ(rows)
        if names:
            yield _report_disagreement(posters, rows, names)


def _rows_of_each_source(sources):
    rows_of = {}
    for row, source in enumerate(sources):
        rows_of.setdefault(source, []).append(row)
    return rows_of.values()


def _of_file(fact, rows, min_side):
    if fact.reason:
        advice = "Replace the file, or drop its rows."
        yield Finding("unreadable file", "error", rows, [], fact.reason, advice)
        return
    if fact.is_blank:
        detail = f"all of one colour (standard deviation {fact.spread:.1f} of 255)"
        advice = "Drop its rows: there is nothing to learn from it."
        yield Finding("blank image", "error", rows, [], detail, advice)
    if min(fact.height, fact.width) < min_side:
        detail = f"{fact.width} x {fact.height} pixels, its shorter side is "
        detail += f"below {min_side}"
        advice = "Look for a larger copy, or drop its rows."
        yield Finding("tiny image", "warning", rows, [], detail, advice)
    if fact.depth is not None:
        advice = "Look at the image. If it is too dark, save it with 8 bits a channel."
        yield Finding("more than 8 bits", "note", rows, [], fact.depth, advice)


def _report_repeated(posters, rows):
    n_images = len(set(posters.images[rows]))
    images = "the same image" if n_images == 1 else f"{n_images} different images"
    detail = f"{len(rows)} rows have one id, with {images}"
    advice = f"Keep one of them, or {KEEP_TOGETHER}."
    return Finding("repeated id", "warning", rows, [], detail, advice)


def _report_exact(posters, rows):
    names = {str(source) for source in posters.sources[rows]}
    contents = {posters.facts[row].content for row in rows}
    one_file = len(contents) == 1 and None not in contents
    which = "path" if len(names) == 1 else "file content" if one_file else "pixels"
    detail = f"{len(rows)} rows have the same {which}"
    advice = f"Keep one of them, or {KEEP_TOGETHER}."
    return Finding("exact duplicates", "warning", rows, [], detail, advice)


def _report_near(posters, rows):
    n_images = len(set(posters.images[rows]))
    distance = posters.distances.get(posters.looks[rows[0]], 0)
    mirrored = ", if mirrored" if posters.has_mirrored(rows) else ""
    detail = f"{n_images} images look alike{mirrored} (hashes differ in up to "
    detail += f"{distance} of 64 bits)"
    names = posters.names_that_differ(rows)
    if names:
        detail += ", but have other labels"
    advice = f"If they show the same, keep one of them, or {KEEP_TOGETHER}."
    return Finding("near duplicates", "warning", rows, names, detail, advice)


def _report_disagreement(posters, rows, names):
    same = "id" if posters.share_id(rows) else "image"
    values = posters.labels[rows]
    values = values[:, (values == 1).any(axis=0) & (values == 0).any(axis=0)]
    said = [
        f"{name!r} is 1 in {rows[column == 1].tolist()}, 0 in "
        f"{rows[column == 0].tolist()}"
        for name, column in zip(names, values.T, strict=True)
    ]
    detail = f"rows of one {same}: {'; '.join(said)}"
    advice = "Find out which row is right, and correct or drop the others."
    return Finding("other labels", "error", np.asarray(rows), names, detail, advice)
