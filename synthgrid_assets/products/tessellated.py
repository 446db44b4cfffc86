"""What the products of a tessellation share: triangles, cells and neighbours.

Belongs here: facts, and the exact test of rows against what they were made
from. Not here: any product, the tessellation itself (`tessellation`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.products.product import Product
from synthgrid_assets.tessellation.proofs.faults import CellFaults, ConstraintFaults, TriangleFaults
from synthgrid_assets.tessellation.tile import Tessellation
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.spec import LayerTable


class Tessellated(Product):
    """A product of a layer's tessellation; all of them are one step."""

    step = "tessellation"

    def parameters(self, layer: LayerTable) -> dict[str, object]:
        """The anchors, which are sites like any other."""
        return {} if layer.tessellation is None else {"anchors": layer.tessellation.anchors}


def exact_rows(
    test: str,
    faults: TriangleFaults | ConstraintFaults | CellFaults,
    written: Sequence[NDArray[np.int64]],
    made: NDArray[np.int64],
) -> Verdict:
    """The verdict on rows without faults that hold the ids that were made, column by column."""
    unwritten = int(
        any(
            column.shape != own.shape or (column != own).any()
            for column, own in zip(written, made.T, strict=True)
        )
    )
    detail = f"{len(made)} rows, faults: {faults.describe()}"
    return Verdict.exact(test, faults.total + unwritten, detail)


def tessellation_facts(tessellation: Tessellation) -> tuple[tuple[str, int], ...]:
    """What a receipt says of a tile's tessellation."""
    return (
        ("halo_cells", tessellation.halo),
        ("anchors", int(tessellation.anchor.sum())),
        ("invalid_cells", int((~tessellation.valid).sum())),
    )
