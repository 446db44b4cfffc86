"""Synthetic spatial data at any scale: one world file, the same world on any tiling.

Belongs here: the public names. Not here: anything that imports Dagster (`dagster`).

Examples
--------
>>> from synthgrid_assets import World
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthgrid_assets.api import Layer, World

__all__ = ["Layer", "World"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the API when it is asked for: worker processes and the CLI start faster."""
    if name in __all__:
        from synthgrid_assets import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
