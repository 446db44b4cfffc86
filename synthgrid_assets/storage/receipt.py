"""The receipt of a committed tile: the about 1 kB that leaves the worker instead of data.

Belongs here: the record and its JSON form. Not here: where receipts are kept (`journal`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from synthgrid_assets.lattice.box import Box
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.storage.layout import Dataset
from synthgrid_assets.verdict import Verdict

COMPILE = "compile"  # the stage in which a worker compiled kernels, before others of its tile
Fact = tuple[str, float | int | str]

_JSON = json.JSONEncoder(separators=(",", ":"))
_FILE = re.compile(  # as `Receipt.to_json` writes it; no text within JSON has a bare quote
    r'"tile":"([^"\\]*)","cells":\[(-?\d+),(-?\d+),(-?\d+),(-?\d+)\],"path":"([^"\\]*)",'
    r'"rows":(\d+),"bbox":[^"]*"digest":"[0-9a-f]*","sha256":"([0-9a-f]*)","size":(\d+),'
)


class TileFile(NamedTuple):
    """What is recorded of a tile's file.

    Attributes
    ----------
    tile : str
        The tile's key.
    file : str
        The file's key in its store.
    size : int
        Bytes.
    sha256 : str
        64 hex digits.
    """

    tile: str
    file: str
    size: int
    sha256: str

    @classmethod
    def of(cls, receipt: Receipt) -> TileFile:
        """The file of a receipt."""
        return cls(receipt.tile, receipt.path, receipt.size, receipt.sha256)


@dataclass(frozen=True)
class Receipt:
    """What is known of one tile once its file is committed.

    Parameters
    ----------
    world, layer, asset : str
        Names of the dataset.
    realisation : str
        Full realisation id, lower-case hex.
    side : int
        Cells along an unclipped tile's side.
    tile : str
        The tile's key, ``x|y``.
    cells : Cells
        The tile's cells, clipped to the extent.
    path : str
        The file, relative to the data root, with forward slashes.
    rows : int
        Rows in the file (cells in a raster).
    bbox : Box or None
        ``(xmin, ymin, xmax, ymax)`` of the rows' geometry in CRS units; it may pass the
        tile's border. None when there is no geometry.
    digest : str
        Content digest, 64 hex digits (`digest.digest_hex`).
    sha256 : str
        Of the file's bytes.
    size : int
        Of the file, in bytes.
    code_version : str
        Version of the asset that made it.
    expected_rows : float or None
        Mean number of rows under the layer's law, where it is known.
    verdicts : tuple of Verdict
        The tile's checks.
    seconds : tuple of (str, float)
        Duration of each stage.
    facts : tuple of (str, float | int | str)
        Anything else worth showing with the tile.
    picture : str or None
        File of the tile's small picture, relative to the data root, where an earlier version
        wrote one.
    png : bytes or None
        The picture itself, on its way from the worker that drew it; no part of the record.

    Examples
    --------
    >>> receipt = Receipt(
    ...     "riverton", "cafes", "points", "0123456789ab", 24, "+0000000_24|+0000000_24",
    ...     Cells(0, 0, 24, 24), "riverton/cafes/points-0123456789ab/w24/0_0.parquet",
    ...     rows=0, bbox=None, digest="0" * 64, sha256="e3" * 32, size=0, code_version="1")
    >>> Receipt.from_json(receipt.to_json()) == receipt
    True
    """

    world: str
    layer: str
    asset: str
    realisation: str
    side: int
    tile: str
    cells: Cells
    path: str
    rows: int
    bbox: Box | None
    digest: str
    sha256: str
    size: int
    code_version: str
    expected_rows: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    facts: tuple[Fact, ...] = ()
    picture: str | None = None
    png: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def dataset(self) -> Dataset:
        """The dataset that the tile belongs to."""
        return Dataset(self.world, self.layer, self.asset, self.realisation, self.side)

    @property
    def passed(self) -> bool:
        """Whether every check of the tile passed."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def total_seconds(self) -> float:
        """Duration of all stages together, but for compiling, which later tiles need not."""
        return sum(seconds for stage, seconds in self.seconds if stage != COMPILE)

    def to_json(self) -> str:
        """One line of JSON; Python's ``NaN`` and ``Infinity`` stand for such floats."""
        # what `asdict` gives, whose deep copies are half of the cost of a record
        record = {**vars(self), "verdicts": [vars(v) for v in self.verdicts]}
        del record["png"]
        return _JSON.encode(record)

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """The receipt that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        bbox = values["bbox"]
        return cls(
            **{
                **values,
                "cells": Cells(*values["cells"]),
                "bbox": None if bbox is None else Box(*bbox),
                "verdicts": tuple(verdict_of(verdict) for verdict in values["verdicts"]),
                "seconds": tuple((stage, seconds) for stage, seconds in values["seconds"]),
                "facts": tuple((name, value) for name, value in values["facts"]),
            }
        )


class RecordedTile(NamedTuple):
    """What is read of a receipt's JSON at a tenth of the cost of all of it.

    Attributes
    ----------
    text : str
        The JSON.
    cells : Cells
    rows : int
    file : TileFile

    Examples
    --------
    >>> RecordedTile.read(
    ...     '{"tile":"a|b","cells":[0,0,24,24],"path":"w/0_0.parquet","rows":0,"bbox":null,'
    ...     '"digest":"00","sha256":"e3","size":7,"code_version":"1"}').file
    TileFile(tile='a|b', file='w/0_0.parquet', size=7, sha256='e3')
    """

    text: str
    cells: Cells
    rows: int
    file: TileFile

    @classmethod
    def read(cls, text: str) -> RecordedTile:
        """That of a receipt's JSON."""
        found = _FILE.search(text)
        if found is None:  # written by hand, or with names that JSON escapes
            receipt = Receipt.from_json(text)
            return cls(text, receipt.cells, receipt.rows, TileFile.of(receipt))
        tile, ix0, iy0, ix1, iy1, path, rows, sha256, size = found.groups()
        cells = Cells(int(ix0), int(iy0), int(ix1), int(iy1))
        return cls(text, cells, int(rows), TileFile(tile, path, int(size), sha256))

    def receipt(self) -> Receipt:
        """All of it."""
        return Receipt.from_json(self.text)


class Damage(NamedTuple):
    """A record whose file is not what the record says.

    Attributes
    ----------
    receipt : Receipt
        The record.
    problem : str
        What was found instead.
    """

    receipt: Receipt
    problem: str


def verdict_of(values: dict[str, Any]) -> Verdict:
    """A verdict out of JSON, which has lists where a verdict has tuples."""
    return Verdict(**{**values, "counts": tuple(values.get("counts", ()))})
