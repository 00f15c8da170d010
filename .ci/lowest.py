"""Print the lowest versions that pyproject.toml promises, as constraints for pip.

Those of the dependencies and of all extras that the tests use, one ``name==version`` a
line. Where two places name a package, the higher bound counts: it is the one that pip
has to meet.
"""

import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = {"all", "docs", "gpu"}  # A list of the others, or not needed by tests.
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?P<sign>>=|==)\s*(?P<version>[\w.]+)"
)


def lowest_versions(project):
    """Return the lowest version of each package.

    Parameters
    ----------
    project : dict
        The table ``project`` of a pyproject.toml.

    Returns
    -------
    dict of str to str
        By name of the package, in alphabetical order.

    Raises
    ------
    ValueError
        If a requirement has no lower bound.
    """
    extras = project.get("optional-dependencies", {})
    requirements = list(project["dependencies"])
    for name, listed in extras.items():
        if name not in LEFT_OUT:
            requirements += listed
    result = {}
    for requirement in requirements:
        match = REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(
                f"{requirement!r} has no lower bound: write name>=version, the lowest "
                "that is promised."
            )
        name, version = match["name"].lower().replace("_", "-"), match["version"]
        result[name] = max(result.get(name, version), version, key=_as_numbers)
    return dict(sorted(result.items()))


def _as_numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def main(file=Path(__file__).parents[1] / "pyproject.toml"):
    project = tomllib.loads(Path(file).read_text())["project"]
    for name, version in lowest_versions(project).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
