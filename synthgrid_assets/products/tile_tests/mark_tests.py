"""The tile test ``marks_follow_their_law``: every mark of a tile against its law.

Belongs here: rebuilding what a mark depends on from the rows as written. Not here: the laws
(`processes.marks`), the statistics (`statistics.tile.marks`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.seeding import Key, philox_words
from synthgrid_assets.processes.marks.choice import Choice
from synthgrid_assets.processes.marks.law import Law
from synthgrid_assets.processes.marks.numbers import AtPoints
from synthgrid_assets.processes.marks.released import ReleasedLabels
from synthgrid_assets.processes.marks.table import drawing_order
from synthgrid_assets.products.layer_context import LayerContext
from synthgrid_assets.statistics.tile.marks import (
    TEST,
    labels_follow_their_weights,
    marks_follow_their_law,
    values_follow_their_distribution,
)
from synthgrid_assets.storage.formats.columns import column_values
from synthgrid_assets.verdict import Verdict
from synthgrid_assets.world.stream_keys import P_VALUE


def verify_marks(context: LayerContext, cells: Cells, rows: pa.Table) -> Verdict:
    """The test of all marks of a tile, on its rows as they were written.

    Each value becomes its place in its own law, given what it depends on; places are
    uniform. In a law with steps a place is drawn within the value's step, with a word of
    the test's own. Marks that depend on nothing and are labels are counted instead.
    """
    marks = context.marks
    x, y, ids = (column_values(rows[name]) for name in ("x_q", "y_q", "id"))
    given: dict[str, AtPoints] = dict(context.mark_rasters(x, y, cells))
    verdicts = []
    for name in drawing_order(marks):
        law = marks[name]
        values = law.values(rows[name])
        labelled = isinstance(law, Choice | ReleasedLabels)
        if labelled and (broken := int(np.count_nonzero(values < 0))):
            detail = f"mark {name}: {broken} labels are not declared"
            verdicts.append(Verdict.exact(TEST, broken, detail))
            values = np.maximum(values, 0)
        elif labelled and not law.depends_on:
            verdicts.append(_labels(name, law, values))
        else:
            below, up_to = law.distribution(values, given)
            places = below
            if up_to is not below:
                key = context.keys.of(context.layer, f"{P_VALUE}/mark/{name}")
                words = _words(key, x, y, ids)
                places = below + (up_to - below) * (words / 2.0**64)
            verdicts.append(values_follow_their_distribution(name, places, _uniform))
        given[name] = law.at_points(values)
    return marks_follow_their_law(verdicts)


def _labels(name: str, law: Law, codes: NDArray[np.int64]) -> Verdict:
    if isinstance(law, ReleasedLabels):
        weights = dict(zip(law.labels, map(float, law.weights), strict=True))
    else:
        assert isinstance(law, Choice)
        weights = {label: float(weight) for label, weight in law.choice.items()}  # type: ignore[arg-type]
    counts = np.bincount(codes, minlength=len(weights)).tolist()
    return labels_follow_their_weights(name, dict(zip(weights, counts, strict=True)), weights)


def _uniform(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distribution function of places, which lie in [0, 1]."""
    return places


def _words(
    key: Key, x: NDArray[np.int64], y: NDArray[np.int64], ids: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """One word per point, under the test's own key."""
    words: NDArray[np.uint64] = philox_words(ids, x, y, 0, key)[0]
    return words
