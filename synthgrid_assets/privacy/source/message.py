"""What goes into the private process and what comes out: public terms, one message.

Belongs here: the two messages. Not here: the processes on either side (`child`, `counting`).

The answer has a shape that public terms alone decide: as many bytes for any data, also where the
data could not be read.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal

CODE_BYTES = 64  # of the rows, and of the file that they came from
BIN_CODE_BYTES = 32  # of a column's values
_MAGIC = b"SGPRIV1\n"


class Outcome(IntEnum):
    """How reading went, as far as anybody outside may know: it depends on no single row."""

    COUNTED = 0
    UNREADABLE = 1
    NO_COLUMN = 2
    NO_CRS = 3


@dataclass(frozen=True)
class SourceRequest:
    """What is to be counted, in public terms.

    Parameters
    ----------
    path : str
        The file or folder.
    crs : str or None
        Where the file names none.
    x, y : str
        Columns of coordinates; empty where geometries are read.
    layer : str
        Layer of a file with several; empty for the first.
    unit : str
        Column that names the unit; empty where each row is one.
    max_cells, max_points_per_cell : int
        Bounds of a unit's contribution.
    grid : Grid
    secret : str
        Hex key of the codes and of the choice among a unit's blocks.
    marginals : tuple of Marginal
        Columns that are counted as well, by their values.
    """

    path: str
    crs: str | None
    x: str
    y: str
    layer: str
    unit: str
    max_cells: int
    max_points_per_cell: int
    grid: Grid
    secret: str
    marginals: tuple[Marginal, ...] = ()

    def to_bytes(self) -> bytes:
        """As the child reads it."""
        marginals = [marginal.as_json() for marginal in self.marginals]
        fields: dict[str, Any] = {**vars(self), "grid": self.grid.as_json(), "marginals": marginals}
        return json.dumps(fields).encode()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns beside the coordinates that are read, each once."""
        named = (self.unit, *(marginal.column for marginal in self.marginals))
        return tuple(dict.fromkeys(name for name in named if name))

    @classmethod
    def from_bytes(cls, data: bytes) -> SourceRequest:
        """What `to_bytes` wrote."""
        fields = json.loads(data)
        marginals = tuple(map(Marginal.from_json, fields["marginals"]))
        grid = Grid.from_json(fields["grid"])
        return cls(**{**fields, "grid": grid, "marginals": marginals})


@dataclass(frozen=True, eq=False)
class Counted:
    """The child's one answer.

    Attributes
    ----------
    outcome : Outcome
    code : bytes
        Keyed code of the rows (equal rows in any order and format, equal codes), and one of the
        file's bytes.
    counts : ndarray of int64, shape of the grid
        True counts of the blocks, contributions bounded; zeros where there are none.
    marginals : dict of Marginal to ndarray of int64, shape (bins,)
        True counts of the bins, of points that count in the blocks.
    bin_codes : dict of Marginal to bytes
        Keyed code of the bins of all rows, with their places.
    """

    outcome: Outcome
    code: bytes
    counts: NDArray[np.int64]
    marginals: dict[Marginal, NDArray[np.int64]] = field(default_factory=dict)
    bin_codes: dict[Marginal, bytes] = field(default_factory=dict)

    @property
    def rows_code(self) -> str:
        """Code of the coordinates that were read, in hex."""
        return self.code[: CODE_BYTES // 2].hex()

    @property
    def file_code(self) -> str:
        """Code of the file's bytes, whatever was read of it, in hex."""
        return self.code[CODE_BYTES // 2 :].hex()

    def __repr__(self) -> str:
        return "Counted(...)"  # a traceback with local variables shows no count

    def to_bytes(self) -> bytes:
        """The message, of `answer_size` bytes."""
        parts = [_MAGIC + bytes([self.outcome]) + self.code, self.counts.astype("<i8").tobytes()]
        for marginal, counts in self.marginals.items():
            parts += [self.bin_codes[marginal], counts.astype("<i8").tobytes()]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes, request: SourceRequest) -> Counted:
        """What `to_bytes` wrote; a message of any other form is an unreadable source."""
        if len(data) != answer_size(request) or not data.startswith(_MAGIC):
            return failed(Outcome.UNREADABLE, request)
        body = io.BytesIO(data[len(_MAGIC) :])
        outcome, code = Outcome(body.read(1)[0]), body.read(CODE_BYTES)
        shape, marginals, codes = request.grid.shape, {}, {}
        counts = _integers(body, shape[0] * shape[1]).reshape(shape)
        for marginal in request.marginals:
            codes[marginal] = body.read(BIN_CODE_BYTES)
            marginals[marginal] = _integers(body, marginal.bins)
        return cls(outcome, code, counts, marginals, codes)


def answer_size(request: SourceRequest) -> int:
    """Bytes of the message for a request, whatever the data."""
    rows, columns = request.grid.shape
    bins = [BIN_CODE_BYTES + 8 * marginal.bins for marginal in request.marginals]
    return len(_MAGIC) + 1 + CODE_BYTES + 8 * rows * columns + sum(bins)


def failed(outcome: Outcome, request: SourceRequest) -> Counted:
    """An answer without counts, as long as one with them."""
    marginals = {marginal: np.zeros(marginal.bins, np.int64) for marginal in request.marginals}
    codes = dict.fromkeys(marginals, bytes(BIN_CODE_BYTES))
    counts = np.zeros(request.grid.shape, np.int64)
    return Counted(outcome, bytes(CODE_BYTES), counts, marginals, codes)


def _integers(body: io.BytesIO, n: int) -> NDArray[np.int64]:
    return np.frombuffer(body.read(8 * n), "<i8").astype(np.int64)
