"""Loading many modules without a look for garbage in them.

Belongs here: the collector of a process that starts. Not here: what is loaded.

A process of this package makes half a million objects while it loads its modules, nearly all of
which stay: looking through them every few hundred, as Python does, is a quarter of the time.
"""

from __future__ import annotations

import contextlib
import gc
import pkgutil
from collections.abc import Iterator

SELDOM = 50_000  # more objects than there were, between two looks
USUAL = gc.get_threshold()


def look_seldom() -> None:
    """Look for garbage seldom from now on, as while a command is found and loaded."""
    gc.set_threshold(SELDOM, *USUAL[1:])


def loaded() -> None:
    """Look as often as usual, but never again among what is there now.

    A look writes to each object: in a forked process it would copy the page of each.
    """
    gc.freeze()
    gc.set_threshold(*USUAL)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Don't look while the block loads modules, nor later among what it has left.

    Examples
    --------
    >>> with loading():
    ...     gc.get_threshold()[0] == SELDOM
    True
    >>> gc.get_threshold() == USUAL
    True
    """
    look_seldom()
    try:
        yield
    finally:
        loaded()


def load(name: str) -> object:
    """Import a module; of ``module:function``, call the function as well, and give its result.

    Examples
    --------
    >>> load("json").__name__
    'json'
    >>> load("os:getpid") > 0
    True
    """
    found = pkgutil.resolve_name(name)
    return found() if ":" in name else found
