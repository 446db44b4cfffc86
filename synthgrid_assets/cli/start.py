"""How a command starts: without a look for garbage in what it loads.

Belongs here: the collector of this process. Not here: what is loaded.

A command makes half a million objects while it loads its modules, nearly all of which stay:
looking through them every few hundred, as Python does, is a quarter of the time.
"""

from __future__ import annotations

import gc

SELDOM = 50_000  # more objects than there were, between two looks
USUAL = gc.get_threshold()


def loading() -> None:
    """Look for garbage seldom from now on."""
    gc.set_threshold(SELDOM, *USUAL[1:])


def loaded() -> None:
    """Look as often as usual, but never again among what is there now."""
    gc.freeze()
    gc.set_threshold(*USUAL)
