"""What goes into the private process and what comes out: public terms, one message.

Belongs here: the two messages. Not here: the processes on either side (`child`, `counting`).

The answer has a shape that public terms alone decide: as many bytes for any data, also where the
data could not be read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.privacy.grid import Grid

CODE_BYTES = 64  # of the rows, and of the file that they came from
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

    def to_bytes(self) -> bytes:
        """As the child reads it."""
        fields: dict[str, Any] = {**vars(self), "grid": self.grid.as_json()}
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> SourceRequest:
        """What `to_bytes` wrote."""
        fields = json.loads(data)
        return cls(**{**fields, "grid": Grid.from_json(fields["grid"])})


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
    """

    outcome: Outcome
    code: bytes
    counts: NDArray[np.int64]

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
        head = _MAGIC + bytes([self.outcome]) + self.code
        return head + self.counts.astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid) -> Counted:
        """What `to_bytes` wrote; a message of any other form is an unreadable source."""
        if len(data) != answer_size(grid) or not data.startswith(_MAGIC):
            return failed(Outcome.UNREADABLE, grid)
        body = data[len(_MAGIC) :]
        counts = np.frombuffer(body[1 + CODE_BYTES :], "<i8").astype(np.int64)
        code = bytes(body[1 : 1 + CODE_BYTES])
        return cls(Outcome(body[0]), code, counts.reshape(grid.shape))


def answer_size(grid: Grid) -> int:
    """Bytes of the message for a grid, whatever the data."""
    rows, columns = grid.shape
    return len(_MAGIC) + 1 + CODE_BYTES + 8 * rows * columns


def failed(outcome: Outcome, grid: Grid) -> Counted:
    """An answer without counts, as long as one with them."""
    return Counted(outcome, bytes(CODE_BYTES), np.zeros(grid.shape, np.int64))
