"""Compiled kernels: the one decorator that makes them, and where they are kept.

Belongs here: `njit`, and the folder that installations of one version share. Not here: any kernel,
whether a run has to wait for compiling (`materialize.compiling`).

numba keeps compiled code beside the source, or in a folder of the source's path: a new virtual
environment compiles for a minute what the last one had. An installed package's code is
kept in a folder of the user instead, under a name that changes with everything it depends on:
the package's sources, Python, numba, llvmlite, NumPy, numba's options and the processor. A source
tree that somebody works in keeps numba's ways, which look at each file alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core import caching, config
from numba.core.dispatcher import Dispatcher

from synthgrid_assets.errors import SynthGridWarning

VARIABLE = "SYNTHGRID_KERNELS"  # another folder; then source trees use it as well
PACKAGE = Path(__file__).parent
# options of numba that change what it makes
OPTIONS = (
    "BOUNDSCHECK",
    "CPU_FEATURES",
    "CPU_NAME",
    "DEBUGINFO_DEFAULT",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
    "USING_SVML",
)
UNUSED_SECONDS = 90 * 86_400.0  # after which a folder of another version goes
PATIENCE, LOOK = 60.0, 0.02  # seconds: for another process to compile, between two looks


def njit(*function: Callable[..., Any], cache: bool = False, **options: Any) -> Any:
    """`numba.njit`, whose ``cache=True`` is shared by installations of one version.

    Examples
    --------
    >>> njit(lambda x: x + 1)(1)
    2
    """
    decorate: Any = numba.njit
    made = decorate(*function, **options)
    if not cache:
        return made
    return _kept(made) if function else lambda function: _kept(made(function))


def _kept(kernel: Any) -> Any:
    if isinstance(kernel, Dispatcher):  # not with NUMBA_DISABLE_JIT
        kernel._cache = KernelCache(kernel.py_func)  # type: ignore[attr-defined]
    return kernel


class SharedFolder(caching._CacheLocator):
    """Where a kernel of this package is kept, if there is a folder to share.

    Parameters
    ----------
    folder : Path
        Of the package's version.
    py_func : function
    py_file : str
    """

    def __init__(self, folder: Path, py_func: Any, py_file: str) -> None:
        self._py_file = py_file  # numba's warnings name it
        self._line = py_func.__code__.co_firstlineno
        self._path = folder / Path(py_file).relative_to(PACKAGE).parent

    def get_cache_path(self) -> str:
        """The folder of the kernel's module."""
        return str(self._path)

    def get_source_stamp(self) -> int:
        """Nothing: the folder's name says which sources these are."""
        return 0

    def get_disambiguator(self) -> str:
        """The kernel's line."""
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> SharedFolder | None:
        """That of a kernel of this package; None leaves it to numba."""
        folder = shared_folder()
        if folder is None or PACKAGE not in Path(py_file).parents:
            return None
        return cls(folder, py_func, py_file)


class _Kept(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar[Any] = [  # type: ignore[misc]
        SharedFolder,
        *caching.CompileResultCacheImpl._locator_classes,
    ]


class KernelCache(caching.FunctionCache):
    """numba's cache of one kernel, compiled by one process at a time.

    Others wait for it and load what it has made. That is half of a first run's work, and numba's
    own files need it: two processes that save different signatures at once name them alike.

    Parameters
    ----------
    py_func : function
    """

    _impl_class = _Kept

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)  # type: ignore[no-untyped-call]
        self._lock = Path(self._cache_path, f"{self._impl.filename_base}.lock")
        self._held: list[int] = []  # one for each signature being compiled: kernels may recur

    def signatures(self) -> list[Any]:
        """Of what code is kept."""
        index = self._cache_file._load_index()  # type: ignore[no-untyped-call]
        return [signature for signature, *_ in index]

    def found(self, sig: Any, target_context: Any) -> Any:
        """The kept code of a signature, or None."""
        return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kept code of a signature; None makes numba compile, and others wait."""
        found = self.found(sig, target_context)
        if found is None and self._enabled:
            self._held.append(-1 if self._held else self._locked())
            found = self.found(sig, target_context)
            if found is not None:
                self._release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code, and let others go on."""
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        finally:
            self._release()

    def _locked(self) -> int:
        """A descriptor that holds the kernel's lock; -1 where it cannot be had."""
        with contextlib.suppress(OSError):
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            lock, until = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600), time.monotonic()
            until += PATIENCE
            while time.monotonic() < until:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                time.sleep(LOOK)
            os.close(lock)  # somebody's compiling has failed or takes very long
        return -1

    def _release(self) -> None:
        if self._held and (lock := self._held.pop()) >= 0:
            os.close(lock)


def load_kept(kernel: Any) -> Iterator[None]:
    """Load all that is kept of a kernel, one signature a step. Nothing is compiled."""
    cache, target = kernel._cache, kernel.targetctx
    if not isinstance(cache, KernelCache):
        return
    for signature in cache.signatures():
        kept = cache.found(signature, target)
        if kept is not None:  # as `Dispatcher.compile` goes on
            target.insert_user_function(kept.entry_point, kept.fndesc, [kept.library])
            kernel.add_overload(kept)
        yield


@functools.cache
def shared_folder() -> Path | None:
    """The folder of this version's kernels; None where numba's own places are used.

    That is for a package that no installer has put where it is, where the user has given numba a
    folder, and where there is none that only the user can write: what lies there is executed.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen and PACKAGE.parent.name not in {"site-packages", "dist-packages"}:
        return None
    if getattr(config, "CACHE_DIR", "") or getattr(config, "CACHE_LOCATOR_CLASSES", ""):
        return None
    # no home: RuntimeError, as for a container's user who is in no list of users
    with contextlib.suppress(OSError, RuntimeError):
        root = Path(chosen) if chosen else user_cache() / "synthgrid" / "kernels"
        folder = root / identity(PACKAGE)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _remove_unused(root)
        os.utime(folder)
        if _is_own(folder) and _is_own(root):
            return folder
    if chosen:
        warnings.warn(
            f"{VARIABLE}={chosen}: no folder that this user alone can write; compiled kernels are "
            "kept where numba keeps them",
            SynthGridWarning,
            stacklevel=2,
        )
    return None


def user_cache() -> Path:
    """The user's folder for what can be made again."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given)
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def identity(package: Path) -> str:
    """A name that changes with everything that compiled kernels of a package depend on.

    Parameters
    ----------
    package : Path
        Its folder; all Python files below count.
    """
    digest = hashlib.blake2b(digest_size=12)
    versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
    processor = (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    options = [(name, getattr(config, name, None)) for name in OPTIONS]
    digest.update(repr((versions, processor, binding.get_process_triple(), options)).encode())
    for path in sorted(_sources(package)):
        text = path.read_bytes()
        digest.update(f"|{path.relative_to(package)}|{len(text)}|".encode())
        digest.update(text)
    return digest.hexdigest()


def _sources(package: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(package):
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def _is_own(folder: Path) -> bool:
    """Whether a folder is this user's, and nobody else can write there."""
    found = folder.stat()
    shared = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid == os.getuid() and not found.st_mode & shared


def _remove_unused(root: Path) -> None:
    for other in root.iterdir():
        if other.is_dir() and time.time() - other.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
