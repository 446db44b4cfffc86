"""Another instance than a run's own that Dagster's UI would show.

Belongs here: what `dagster dev` takes from a `.env` file. Not here: opening an instance
(`instance`).
"""

from __future__ import annotations

import os
from pathlib import Path

from dagster._core.secrets.env_file import get_env_var_dict

from synthgrid_assets.settings import HOME_VARIABLE


def other_home(folder: Path) -> str:
    """The instance that `dagster dev` shows when it is started in a folder, if it is another one.

    It reads the folder's `.env`, whose variables it prefers to those of its environment.

    Returns
    -------
    str
        The other instance's folder; empty if `dagster dev` shows that of this process.

    Examples
    --------
    >>> import tempfile
    >>> other_home(Path(tempfile.mkdtemp()))  # without any .env
    ''
    """
    named, own = get_env_var_dict(str(folder)).get(HOME_VARIABLE), os.environ.get(HOME_VARIABLE)
    if not named or not own or Path(named).resolve() == Path(own).resolve():
        return ""
    return named
