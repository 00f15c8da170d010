"""Pages as trees: no name of a label or file is ever read as markup.

Names enter as text of an element or as the value of an attribute, both of which
``xml.etree`` escapes when it writes. Should something slip through, the page's own
policy lets a browser run and load nothing but the script and the style that come with
it.
"""

import base64
import hashlib
from importlib.resources import files
from xml.etree.ElementTree import (  # nosec B405: it writes, and parses nothing
    Element,
    SubElement,
    tostring,
)

__all__ = ["listed", "name_of", "page", "section", "tag"]

# Written as they stand: nothing but these two files goes there.
STYLE, SCRIPT = "style.css", "sort.js"
MOST_NAMES = 30


def tag(name, *children, **attributes):
    """Return an element.

    Parameters
    ----------
    name : str
        Its name.
    *children : str, Element or None
        What it holds, in order. None is left out.
    **attributes : object
        Its attributes; an underscore at the end of a name is dropped, others are
        hyphens. None leaves one out.

    Returns
    -------
    Element
        The element.
    """
    given = {
        key.rstrip("_").replace("_", "-"): str(value)
        for key, value in attributes.items()
        if value is not None
    }
    element = Element(name, given)
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif child is not None:
            _append_text(element, str(child))
    return element


def _append_text(element, text):
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def name_of(name):
    """Return a name that cannot turn around the text beside it."""
    return tag("bdi", str(name))


def listed(names):
    """Return the first names as parts of an element, and how many more there are."""
    parts = []
    for name in names[:MOST_NAMES]:
        parts += [", ", name_of(name)]
    more = len(names) - MOST_NAMES
    return [*parts[1:], *([f" and {more} more"] if more > 0 else [])]


def section(key, title, *children):
    """Return a part of the page under a heading of its own.

    Parameters
    ----------
    key : str
        What addresses call it.
    title : str
        The heading.
    *children : str, Element or None
        What it holds.

    Returns
    -------
    Element
        The section.
    """
    heading = f"{key}-title"
    return tag(
        "section",
        tag("h2", title, id=heading),
        *children,
        id=key,
        aria_labelledby=heading,
    )


def page(title, *children):
    """Return a whole page as bytes.

    Parameters
    ----------
    title : str
        What the browser shows above it.
    *children : Element or None
        What its body holds.

    Returns
    -------
    bytes
        The page, in UTF-8.
    """
    style, script = (_own(name) for name in (STYLE, SCRIPT))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    head = Element("head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy"}, content=policy)
    viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    SubElement(head, "meta", viewport)
    head.append(tag("title", title))
    head.append(tag("style", style))
    body = tag("body", *children, tag("script", script))
    text = tostring(tag("html", head, body, lang="en"), "unicode", method="html")
    # Names of files may hold bytes that are no text.
    return f"<!DOCTYPE html>\n{text}\n".encode("utf-8", "replace")


def _own(name):
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text):
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
