"""Compiled kernels: shared by installations, never stale, compiled by one process at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from synthgrid_assets import kernels
from synthgrid_assets.kernels import PACKAGE, VARIABLE, identity


def _installed(folder: Path, change: str = "") -> Path:
    """A copy of two modules of the package, as an installer would leave it."""
    place = folder / "site-packages"
    for name in ("__init__.py", "errors.py", "kernels.py"):
        (place / "synthgrid_assets").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / name, place / "synthgrid_assets" / name)
    (place / "synthgrid_assets" / "halves.py").write_text(
        "from synthgrid_assets.constants import PART\n"
        "from synthgrid_assets.kernels import njit\n\n\n"
        "@njit(cache=True)\ndef part_of(x):\n    return x * PART\n"
    )
    (place / "synthgrid_assets" / "constants.py").write_text(f"PART = 0.5{change}\n")
    return place


CALLS = """
from synthgrid_assets.halves import part_of
value = part_of(3.0)
print(value, sum(part_of.stats.cache_misses.values()))
print(part_of.stats.cache_path)
"""


def _begun(place: Path, cache: Path, program: str = CALLS, **more: str) -> subprocess.Popen[str]:
    """A process that calls the kernel and tells its value, and whether it had to be compiled."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("NUMBA")}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(place), "XDG_CACHE_HOME": str(cache), **more},
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _told(running: subprocess.Popen[str]) -> tuple[float, int, Path]:
    out, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    first, path = out.splitlines()
    value, missed = first.split()
    return float(value), int(missed), Path(path)


def test_another_environment_of_the_same_version_compiles_nothing(tmp_path):
    cache = tmp_path / "cache"
    value, missed, path = _told(_begun(_installed(tmp_path / "one"), cache))
    assert (value, missed) == (1.5, 1)
    assert path.is_relative_to(cache / "synthgrid" / "kernels")
    assert _told(_begun(_installed(tmp_path / "two"), cache)) == (1.5, 0, path)


def test_a_constant_of_another_module_is_part_of_the_version(tmp_path):
    """numba itself looks at the kernel's own file alone, and would answer with the old one."""
    cache = tmp_path / "cache"
    assert _told(_begun(_installed(tmp_path / "one"), cache))[0] == 1.5
    changed, missed, _ = _told(_begun(_installed(tmp_path / "two", " + 0.25"), cache))
    assert (changed, missed) == (2.25, 1)


def test_options_and_processors_have_kernels_of_their_own(tmp_path):
    cache, place = tmp_path / "cache", _installed(tmp_path / "one")
    paths = {_told(_begun(place, cache, **more))[2] for more in ({}, {"NUMBA_OPT": "1"})}
    paths.add(_told(_begun(place, cache, NUMBA_CPU_NAME="generic"))[2])
    assert len(paths) == 3


LOADS = """
from synthgrid_assets.halves import part_of
from synthgrid_assets.kernels import load_kept
print(len(list(load_kept(part_of))), len(part_of.overloads), part_of.stats.cache_path)
value = part_of(3.0)
print(value, sum(part_of.stats.cache_hits.values()), sum(part_of.stats.cache_misses.values()))
"""


def test_all_that_is_kept_of_a_kernel_can_be_loaded_and_nothing_is_compiled(tmp_path):
    cache, place = tmp_path / "cache", _installed(tmp_path / "one")

    def loaded():
        out, err = _begun(place, cache, LOADS).communicate(timeout=300)
        return out.replace(str(cache), "").split(), err

    (steps, overloads, path, *rest), err = loaded()
    assert (steps, overloads, rest) == ("0", "0", ["1.5", "0", "1"]), err  # compiled when called
    (steps, overloads, path, *rest), err = loaded()
    assert (steps, overloads, rest) == ("1", "1", ["1.5", "0", "0"]), err  # neither looked for
    for kept in Path(f"{cache}{path}").glob("*.nbc"):
        kept.unlink()
    (steps, overloads, path, *rest), err = loaded()
    assert (steps, overloads, rest) == ("1", "0", ["1.5", "0", "1"]), err


def test_of_processes_that_start_at_once_one_compiles(tmp_path):
    cache, place = tmp_path / "cache", _installed(tmp_path / "one")
    running = [_begun(place, cache) for _ in range(3)]
    told = [_told(each) for each in running]
    assert {value for value, *_ in told} == {1.5}
    assert sum(missed for _, missed, _ in told) == 1


def test_a_folder_that_others_can_write_is_not_used(tmp_path):
    """What lies there is executed."""
    cache, place = tmp_path / "cache", _installed(tmp_path / "one")
    (cache / "synthgrid" / "kernels").mkdir(parents=True)
    (cache / "synthgrid" / "kernels").chmod(0o777)
    value, _, path = _told(_begun(place, cache))
    assert value == 1.5
    assert not path.is_relative_to(cache)


def test_a_chosen_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    running = _begun(_installed(tmp_path / "one"), tmp_path, **{VARIABLE: str(tmp_path / "file")})
    _, err = running.communicate(timeout=300)
    assert running.returncode == 0
    assert err.count("no folder that this user alone can write") == 1


def test_a_user_without_a_home_shares_no_folder(tmp_path, monkeypatch):
    """Containers run as users that are in no list of users."""
    monkeypatch.setattr(kernels, "PACKAGE", _installed(tmp_path / "one") / "synthgrid_assets")
    for variable in ("HOME", "XDG_CACHE_HOME", VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(kernels.os, "getuid", lambda: 54_321)
    assert kernels.shared_folder.__wrapped__() is None


def test_a_source_tree_keeps_its_kernels_beside_it_unless_told_otherwise(tmp_path):
    place = _installed(tmp_path / "one").rename(tmp_path / "tree")
    assert not _told(_begun(place, tmp_path / "cache"))[2].is_relative_to(tmp_path / "cache")
    chosen = tmp_path / "chosen"
    path = _told(_begun(place, tmp_path / "cache", **{VARIABLE: str(chosen)}))[2]
    assert path.is_relative_to(chosen)


def test_folders_of_versions_that_nobody_has_used_for_long_go(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    kernels._remove_unused(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == ["new"]


def test_the_name_of_a_version_is_that_of_its_files(tmp_path):
    one, two = (_installed(tmp_path / name) / "synthgrid_assets" for name in ("one", "two"))
    assert identity(one) == identity(two)
    (two / "halves.py").rename(two / "thirds.py")
    assert identity(one) != identity(two)


def test_every_kernel_is_made_by_the_one_decorator():
    for module in PACKAGE.rglob("*.py"):
        lines = module.read_text(encoding="utf-8").splitlines()
        imported = [
            line for line in lines if line.startswith(("from numba import", "import numba"))
        ]
        assert module.name == "kernels.py" or not any("jit" in line for line in imported), module
