"""Where data sets are kept, and how a folder comes to be there whole or not at all."""

import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path

__all__ = ["folder_made_whole", "get_data_home"]

ENVIRONMENT_VARIABLE = "SK_POSTERS_DATA"
DEFAULT_HOME = "~/sk_posters_data"


def get_data_home(data_home=None):
    """Return the folder of all data sets, which need not exist yet.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. By default the environment variable ``SK_POSTERS_DATA`` names it,
        else it is ``~/sk_posters_data``.

    Returns
    -------
    Path
        The folder, absolute.
    """
    if data_home is None:
        data_home = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_HOME
    return Path(data_home).expanduser().absolute()


@contextmanager
def folder_made_whole(folder):
    """Yield a temporary folder that becomes ``folder`` if nothing goes wrong.

    Parameters
    ----------
    folder : Path
        Where the result belongs.

    Yields
    ------
    Path
        The temporary folder, beside the final one so that a rename suffices.
    """
    work = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.part")
    work.mkdir(parents=True)
    try:
        yield work
        try:
            work.rename(folder)
        except OSError:
            # Another process may have made the same folder in the meantime.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
