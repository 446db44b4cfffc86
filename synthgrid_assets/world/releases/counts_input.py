"""The release that a layer is drawn from, as an input: made once, found again, opened.

Belongs here: from a layer's questions to its release, and the one import of private sources outside
of `privacy`. Not here: charging and drawing (`privacy.releases`), reading raw rows
(`privacy.source`), what points are drawn (`processes.released`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from synthgrid_assets.errors import PrivacyError, StorageError, SynthGridWarning
from synthgrid_assets.inputs.kinds.input import Fact, Input, Place, Record, Room
from synthgrid_assets.inputs.kinds.private import PrivateTable
from synthgrid_assets.inputs.released_surface import ReleasedSurface
from synthgrid_assets.inputs.sources.soundness import discard_damaged, is_sound
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.mechanism import MIN_EPSILON
from synthgrid_assets.privacy.releases.data_set import QUERY_VERSION, Ask
from synthgrid_assets.privacy.releases.private_ledger import PrivateLedger
from synthgrid_assets.privacy.releases.published import (
    FORMAT,
    Published,
    find_published,
    publish,
    published_below,
)
from synthgrid_assets.privacy.releases.recorded import Recorded
from synthgrid_assets.privacy.releases.witnesses import (
    Witness,
    keep_witness,
    refuse_other_names,
    witnesses_beside,
)
from synthgrid_assets.privacy.source.counting import count_source
from synthgrid_assets.privacy.source.message import Counted, SourceRequest
from synthgrid_assets.privacy.strategies import STRATEGIES
from synthgrid_assets.privacy.strategies.terms import MIN_RHO, Loss, Threshold
from synthgrid_assets.settings import privacy_ledger
from synthgrid_assets.world.private_inputs import data_set, private_table
from synthgrid_assets.world.releases.questions import (
    ask_of,
    mark_asks,
    threshold_of,
    threshold_text,
)
from synthgrid_assets.world.spec import WorldSpec

LOOK = "quality"  # the purpose of a second look
VERSION_DIGITS = 12  # hex digits of a code version that stand in paths


@dataclass(frozen=True)
class ReleasedInput(Input):
    """What a layer with the process `released` is drawn from.

    Parameters
    ----------
    ask : Ask
        The question that the layer asks, in public terms.
    source : PrivateTable
        Where the private rows are.
    place : Place
    mask : Input or None
        The polygons that the layer stays within: outside of them no point is expected.
    marks : tuple of (str, Ask)
        The marginals of the layer's marks, which are charged together with the counts. They
        decide nothing of the surface.
    threshold : Threshold or None
        Which blocks are shown.
    """

    ask: Ask
    source: PrivateTable
    place: Place
    mask: Input | None = None
    marks: tuple[tuple[str, Ask], ...] = ()
    threshold: Threshold | None = None

    room: ClassVar[Room] = "releases"
    stored_as: ClassVar[str] = "zarr"

    @property
    def code_version(self) -> str:
        """Hash of the question and of what the world file says of the grid: public terms."""
        return version_hash(
            {
                **self.data_terms,
                "loss": [self.ask.loss.measure, self.ask.loss.text],
                "strategy": [self.ask.strategy, STRATEGIES[self.ask.strategy].version],
                "mask": None if self.mask is None else self.mask.code_version,
                **({"threshold": asdict(self.threshold)} if self.threshold else {}),
            }
        )

    @property
    def data_terms(self) -> dict[str, object]:
        """What the world file says of the data set and of the grid: public terms."""
        data, lattice = self.ask.data, self.place.lattice
        return {
            "format": FORMAT,
            "query_version": QUERY_VERSION,
            "data_set": data.name,
            "snapshot": data.snapshot,
            "unit": [data.unit_column, data.unit.max_cells, data.unit.max_points_per_cell],
            "budget": [data.measure, str(data.capacity)],
            "declared": [data.block, list(data.window or ())],
            "lattice": [lattice.crs, list(lattice.origin), lattice.cell],
        }

    def mistakes(self, *, contents: bool) -> list[str]:
        """None beyond those of the world file: private data are looked at for a release alone."""
        return []

    def make(self, folder: Path) -> Record:
        """Publish the recorded release; it is charged and drawn first where there is none.

        Raises
        ------
        BudgetExhaustedError
            If the budget cannot bear it.
        PrivacyError
            If terms, data or ledger are not those on record, or the file cannot be used.
        """
        found = self.find(folder)
        if found is not None:
            return found
        path = self._path(folder)
        if path.exists():
            discard_damaged(path)
        recorded, *_ = self.recorded(folder)
        support = self._support(recorded.grid)
        return self._record(publish(recorded, path, support, self.threshold))

    def recorded(self, folder: Path) -> list[Recorded]:
        """The recorded counts, and the marginals of the marks: charged together, if not yet.

        Raises as `make` does.
        """
        asks = [self.ask, *(ask for _, ask in self.marks)]
        return self._released(asks, folder)

    def find(self, folder: Path) -> Record | None:
        """The published release, if it answers this question; the ledger need not be there."""
        path = self._path(folder)
        found = find_published(path)
        if found is None or not is_sound(path, found.is_sound):
            return None
        return self._record(found)

    def open(self, folder: Path, data_version: str) -> ReleasedSurface:
        """The published surface on the world's lattice.

        Raises
        ------
        StorageError
            If it is not published: nothing is drawn by looking at a world.
        """
        found = find_published(self._path(folder))
        if found is None or found.data_version != data_version:
            raise StorageError(
                f"{self.ask.data.name}: not released yet for this layer, so nothing is known of "
                "its points; `synthgrid privacy preview` tells what that costs, and its asset "
                "counts_release charges the data set's budget once"
            )
        grid = found.grid
        return ReleasedSurface(grid.placed_on(self.place.lattice), grid.side, found.expected())

    def look(self, folder: Path, loss: Loss | None) -> Recorded | None:
        """A second look at the private counts, for the quality of what is drawn from the first.

        It has noise of its own and its own cost, charged once like a release's.

        Parameters
        ----------
        folder : Path
            As for `make`.
        loss : Loss or None
            What may be spent; None looks for what is recorded already, and spends nothing.

        Returns
        -------
        Recorded or None
            None where nothing is recorded and nothing may be spent.

        Raises
        ------
        BudgetExhaustedError
            If the budget cannot bear it.
        PrivacyError
            As for `make`.
        """
        ledger, data = PrivateLedger(privacy_ledger()), self.ask.data
        least = Loss(data.measure, MIN_RHO if data.measure == "rho" else MIN_EPSILON)
        asked = Ask(data, "flat", loss or least, LOOK)  # a larger recorded one answers as well
        if loss is None:
            return ledger.recorded(asked, self._witnesses(folder))
        (recorded,) = self._released([asked], folder)
        return recorded

    def _released(self, asks: list[Ask], folder: Path) -> list[Recorded]:
        ledger = PrivateLedger(privacy_ledger())
        marginals = tuple(ask.marginal for ask in asks if ask.marginal is not None)
        count = partial(self._count, tuple(dict.fromkeys(marginals)))
        recorded = ledger.release_all(asks, count, self._witnesses(folder))
        newest = max(answer.anchor for answer in recorded)
        named = {"data_set": self.ask.data.name, "layer": self.source.layer or ""}
        if not keep_witness(self.source.private, newest, ledger.where, **named):
            warnings.warn(
                f"no trace of the ledger could be kept beside {self.source.private}: if "
                f"{ledger.where} and what is published were both lost, nothing would stop a second "
                "draw. Back the ledger up, or let the folder of the private data be written",
                SynthGridWarning,
                stacklevel=2,
            )
        return recorded

    def _witnesses(self, folder: Path) -> tuple[Witness, ...]:
        root = folder.parents[2]  # ROOT/WORLD/LAYER/release
        return tuple(_seen(self.source.private, self.ask.data.name, root))

    def _count(self, marginals: tuple[Marginal, ...], key: str, grid: Grid) -> Counted:
        if not self.source.private.exists():
            raise PrivacyError(
                f"there is no private file {self.source.private}; check the path. Nothing was "
                "drawn or charged"
            )
        columns, data = self.source.columns, self.ask.data
        beside = witnesses_beside(self.source.private)
        refuse_other_names(beside, data.name, self.source.layer or "")
        return count_source(
            SourceRequest(
                path=str(self.source.private),
                crs=self.source.crs,
                x=columns.x if columns else "",
                y=columns.y if columns else "",
                layer=self.source.layer or "",
                unit=data.unit_column,
                max_cells=data.unit.max_cells,
                max_points_per_cell=data.unit.max_points_per_cell,
                grid=grid,
                secret=key,
                marginals=marginals,
            )
        )

    def _support(self, grid: Grid) -> NDArray[np.bool_] | None:
        """Blocks that the mask meets; None without one."""
        if self.mask is None:
            return None
        mask = self.mask.open(Path("/nowhere"), "")  # from its source
        cells, (rows, columns) = grid.placed_on(self.place.lattice), grid.shape
        met = []
        for row in range(rows):  # a row of blocks at a time
            south = cells.iy0 + row * grid.side
            strip = Cells(cells.ix0, south, cells.ix1, south + grid.side)
            covered = mask.coverage(strip).reshape(grid.side, columns, grid.side)
            met.append(covered.sum(axis=(0, 2)) > 0)
        return np.array(met)

    def _path(self, folder: Path) -> Path:
        return folder / self.code_version[:VERSION_DIGITS]

    def _record(self, published: Published) -> Record:
        fields, (rows, columns) = published.fields, published.grid.shape
        facts: dict[str, Fact] = {
            "data_set": fields["data_set"],
            "snapshot": fields["snapshot"],
            "loss": f"{fields['measure']} {fields['amount']}",
            "mechanism": fields["mechanism"],
            "strategy": fields["strategy"],
            "blocks": f"{rows} x {columns} of {published.grid.block_metres:g} m",
            "recorded_at": fields["recorded_at"],
            "entry": f"{fields['sequence']} {fields['hash']}",
        }
        if "threshold" in fields:
            facts["threshold"] = threshold_text(**fields["threshold"])
        return Record(published.data_version, published.path, facts)


def released_input(
    spec: WorldSpec, layer: str, place: Place, mask: Input | None = None
) -> ReleasedInput:
    """The release that a layer asks for.

    Parameters
    ----------
    spec : WorldSpec
    layer : str
        Name of a layer with the process `released`.
    place : Place
    mask : Input, optional
        The polygons that the layer stays within.
    """
    source = spec.layers[layer].parameters["source"]
    marks = tuple(mark_asks(spec, layer).items())
    table, threshold = private_table(spec, source), threshold_of(spec, layer)
    return ReleasedInput(ask_of(spec, layer), table, place, mask, marks, threshold)


def witnesses_of(spec: WorldSpec, layer: str, root: Path) -> list[Witness]:
    """What was seen of the ledger beside the layer's private file, and in published files."""
    source = spec.layers[layer].parameters["source"]
    return list(_seen(private_table(spec, source).private, data_set(spec, source), root))


def _seen(source: Path, name: str, root: Path) -> Iterator[Witness]:
    yield from witnesses_beside(source)
    for published in published_below(root, name):
        yield published.witness
