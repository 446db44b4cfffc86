"""Where things are by default: the project folder, its worlds and its data.

Belongs here: the environment variables and their defaults. Not here: what lies below the
data root (`layout`).
"""

from __future__ import annotations

import os
from pathlib import Path

from synthgrid_assets.errors import PrivacyError, SpecError

DATA_VARIABLE = "SYNTHGRID_DATA"
WORLDS_VARIABLE = "SYNTHGRID_WORLDS"
HOME_VARIABLE = "DAGSTER_HOME"
INBOX_VARIABLE = "SYNTHGRID_GATEWAY_INBOX"
STORE_VARIABLE = "SYNTHGRID_STORE"
JOURNAL_VARIABLE = "SYNTHGRID_JOURNAL"
EXECUTOR_VARIABLE = "SYNTHGRID_EXECUTOR"
DAGSTER_VARIABLE = "SYNTHGRID_DAGSTER_URL"
VIEWER_VARIABLE = "SYNTHGRID_VIEWER_URL"
LEDGER_VARIABLE = "SYNTHGRID_LEDGER"
REMOTE_VARIABLE = "SYNTHGRID_REMOTE_LIMIT"


def project_folder() -> Path:
    """``DAGSTER_HOME``, or the nearest folder above with a ``dagster.yaml``, or this one.

    Raises
    ------
    SpecError
        If ``DAGSTER_HOME`` is relative: Dagster takes none, as it depends on who starts where.
    """
    given = os.environ.get(HOME_VARIABLE)
    if not given:
        return _folder_around()
    home = Path(given).expanduser() if given.startswith("~") else Path(given)  # as Dagster does
    if not home.is_absolute():
        raise SpecError(
            f"{HOME_VARIABLE}={given} is a relative folder, which Dagster refuses; set "
            f"{HOME_VARIABLE}={home.resolve()}"
        )
    return home.resolve()


def _folder_around() -> Path:
    here = Path.cwd().resolve()
    return _project_around(here) or here


def _project_around(place: Path) -> Path | None:
    folders = (folder for folder in (place, *place.parents) if (folder / "dagster.yaml").is_file())
    return next(folders, None)


def adopt_project_of(world_file: Path) -> None:
    """Take the project around a world file for the project, where nothing else names one.

    Named are ``DAGSTER_HOME`` and a project around the current folder. The choice is left in
    the environment, so that worker processes make the same one.
    """
    if os.environ.get(HOME_VARIABLE) or _project_around(Path.cwd().resolve()):
        return
    around = _project_around(world_file.resolve().parent)
    if around is not None:
        os.environ[HOME_VARIABLE] = str(around)


def data_root() -> Path:
    """``SYNTHGRID_DATA``, or ``.synthgrid/data`` in the project folder."""
    given = os.environ.get(DATA_VARIABLE)
    return Path(given).resolve() if given else project_folder() / ".synthgrid" / "data"


def gateway_inbox() -> str | None:
    """``SYNTHGRID_GATEWAY_INBOX``, or the file below the data root, if there is one."""
    given = os.environ.get(INBOX_VARIABLE)
    file = data_root() / "gateway" / "inbox.sqlite"
    return given or (str(file) if file.is_file() else None)


def privacy_ledger() -> str:
    """``SYNTHGRID_LEDGER``, a file or ``postgresql://...``; else one file for all of a user's data.

    It belongs to no project and no data root, as private data have one budget wherever they are
    used: ``XDG_DATA_HOME/synthgrid/ledger.sqlite``.

    Raises
    ------
    PrivacyError
        If the user has no home and neither variable says where it is.
    """
    given = os.environ.get(LEDGER_VARIABLE)
    if given:
        return given if "://" in given else str(Path(given).resolve())
    try:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError as error:
        raise PrivacyError(
            "the ledger of private data has no place: this user has no home directory; set "
            f"{LEDGER_VARIABLE} to a file that is kept, or HOME"
        ) from error
    return str(home / "synthgrid" / "ledger.sqlite")


def store_url() -> str:
    """``SYNTHGRID_STORE``, as ``s3://bucket/prefix``: where tiles lie if not in the data root."""
    return os.environ.get(STORE_VARIABLE, "")


def journal_url() -> str:
    """``SYNTHGRID_JOURNAL``, as ``postgresql://user@host/database``: the journal of many hosts."""
    return os.environ.get(JOURNAL_VARIABLE, "")


def dagster_url() -> str:
    """``SYNTHGRID_DAGSTER_URL``: Dagster's webserver, ``http://127.0.0.1:3000`` by default."""
    return os.environ.get(DAGSTER_VARIABLE, "http://127.0.0.1:3000").rstrip("/")


def viewer_url() -> str:
    """``SYNTHGRID_VIEWER_URL``: the map that Dagster links to, ``http://127.0.0.1:3001``."""
    return os.environ.get(VIEWER_VARIABLE, "http://127.0.0.1:3001").rstrip("/")


def remote_limit() -> int:
    """``SYNTHGRID_REMOTE_LIMIT``: bytes read of one raster on another machine, 1 GiB by default."""
    given = os.environ.get(REMOTE_VARIABLE, "")
    return int(given) if given.isdigit() else 1 << 30


def executor_url() -> str:
    """``SYNTHGRID_EXECUTOR``, as ``dask://host:port``: what runs tiles by default; or ``local``."""
    return os.environ.get(EXECUTOR_VARIABLE) or "local"


def worlds_folder() -> Path:
    """``SYNTHGRID_WORLDS``, or ``worlds`` in the project folder.

    A ``DAGSTER_HOME`` without worlds keeps an instance only: then the folder around counts.
    """
    given = os.environ.get(WORLDS_VARIABLE)
    if given:
        return Path(given).resolve()
    worlds = project_folder() / "worlds"
    return worlds if worlds.is_dir() else _folder_around() / "worlds"


def world_files() -> list[Path]:
    """The world files of the worlds folder and its subfolders, by name."""
    return sorted(worlds_folder().rglob("*.toml"))


def find_world(name: str) -> Path:
    """The world file that a user names: a path, or the stem of a file in the worlds folder."""
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return path
    fitting = [file for file in world_files() if file.stem == name]
    return fitting[0] if fitting else path
