"""Names and signatures that users type stay as they are."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import sk_posters

LISTED = Path(__file__).with_name("public_api.txt")


def public_modules():
    yield "sk_posters"
    for module in pkgutil.walk_packages(sk_posters.__path__, prefix="sk_posters."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def own_members(cls):
    """Yield each public member of a class that this package has written."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            if member.fget.__module__.startswith("sk_posters"):
                yield f"{name} (property)"
            continue
        member = inspect.unwrap(getattr(member, "__func__", member))
        if getattr(member, "__module__", "").startswith("sk_posters"):
            yield f"{name}{inspect.signature(member)}"


def public_api():
    """Return a line per public name: dotted name, signature."""
    lines = []
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            item = getattr(module, name)
            dotted = f"{module_name}.{name}"
            if not callable(item):
                lines.append(dotted)
                continue
            lines.append(f"{dotted}{inspect.signature(item)}")
            if inspect.isclass(item):
                lines += [f"{dotted}.{member}" for member in own_members(item)]
    return sorted(lines)


def test_public_names_and_signatures_are_those_listed():
    """A new name is added to the list; one that goes breaks somebody's code."""
    listed = LISTED.read_text(encoding="utf-8").splitlines()
    assert public_api() == listed
