"""What is published of released marginals: one table of bins, and the weights of marks.

Belongs here: the folder, a function of the record and public terms alone. Not here: the ledger
(`private_ledger`), which marginals a layer's marks ask for (`world.releases`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthgrid_assets.errors import AuditError
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.published import Published, put_in_place
from synthgrid_assets.privacy.releases.recorded import Recorded
from synthgrid_assets.privacy.strategies.nonnegative import UNIT
from synthgrid_assets.storage.formats.parquet_file import serialise

TABLE = "marginals.parquet"
COLUMNS = (
    ("mark", "string", "Mark that is drawn from it."),
    ("column", "string", "Column of the private file."),
    ("bin", "string", "Label, or half-open interval of numbers."),
    ("estimate", "double", "Unbiased estimate of the points in the bin; may be negative."),
    ("standard_deviation", "double", "Standard deviation of the noise in it."),
    ("low_95", "double", "The true count lies above with a probability of 97.5 % or more."),
    ("high_95", "double", "The true count lies below with a probability of 97.5 % or more."),
    ("weight", "int64", "What the mark is drawn by, >= 0, in 2**-16 of a point."),
)


def publish_marginals(recorded: Mapping[str, tuple[Marginal, Recorded]], path: Path) -> Published:
    """Write the folder of the marginals of a layer's marks, unless another process was faster.

    Parameters
    ----------
    recorded : mapping of str to (Marginal, Recorded)
        By mark: what was asked for, and the recorded answer, whose bins may be finer.
    path : Path
        The folder, which is not there yet.
    """
    rows = [
        {"mark": mark, **row}
        for mark, (marginal, answer) in recorded.items()
        for row in bin_rows(marginal, answer)
    ]
    table = pa.Table.from_pylist(rows)

    def write(made: Path) -> None:
        (made / TABLE).write_bytes(serialise(table))

    newest = max((answer for _, answer in recorded.values()), key=lambda each: each.anchor)
    terms = {
        "data_set": newest.data_set,
        "snapshot": newest.snapshot,
        "grid": newest.grid.as_json(),
        "sequence": newest.anchor.sequence,
        "hash": newest.anchor.hash,
        "marks": {mark: _terms(*answer) for mark, answer in recorded.items()},
    }
    return put_in_place(path, write, terms)


def bin_rows(marginal: Marginal, answer: Recorded) -> Iterator[dict[str, Any]]:
    """The bins of a marginal with estimates, errors and weights.

    Parameters
    ----------
    marginal : Marginal
        What was asked for.
    answer : Recorded
        What was measured: the same bins, or finer ones that add up to these.

    Raises
    ------
    AuditError
        If the one does not follow from the other.
    """
    parts = None if answer.marginal is None else marginal.taken_from(answer.marginal)
    if parts is None:
        raise AuditError(f"entry {answer.anchor.sequence} of the ledger is another marginal")
    asked = answer.strategy
    estimates = asked.unbiased(answer.measured)[0]
    weights = np.rint(asked.nonnegative(answer.measured)[0] / UNIT).astype(np.int64)
    for name, part in zip(marginal.names, parts, strict=True):
        error = asked.estimate_of(0, part[0], 1, part[-1] + 1)
        value = float(estimates[part].sum())
        yield {
            "column": marginal.column,
            "bin": name,
            "estimate": value,
            "standard_deviation": error.sd,
            "low_95": value + error.low,
            "high_95": value + error.high,
            "weight": int(weights[part].sum()),
        }


def read_bins(published: Published) -> list[dict[str, Any]]:
    """The rows of a published table."""
    rows: list[dict[str, Any]] = pq.read_table(published.path / TABLE).to_pylist()
    return rows


def weights_of(published: Published) -> dict[str, tuple[int, ...]]:
    """Weights of the bins of each mark."""
    weights: dict[str, tuple[int, ...]] = {}
    for row in read_bins(published):
        weights[row["mark"]] = (*weights.get(row["mark"], ()), row["weight"])
    return weights


def _terms(marginal: Marginal, answer: Recorded) -> dict[str, Any]:
    noise = answer.strategy.noise
    return {
        **marginal.as_json(),
        "mechanism": "discrete_laplace" if noise.is_laplace else "discrete_gaussian",
        "scale": noise.scale,
        **answer.strategy.public,
        "recorded_at": answer.recorded_at,
        "sequence": answer.anchor.sequence,
        "hash": answer.anchor.hash,
    }
