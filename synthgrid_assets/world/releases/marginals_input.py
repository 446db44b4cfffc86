"""The marginals that a layer's marks are drawn from, as an input: made once, found again, opened.

Belongs here: from a layer's marks to their released weights. Not here: the counts that they are
charged with (`counts_input`), how a mark is drawn (`processes.marks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from synthgrid_assets.errors import StorageError
from synthgrid_assets.inputs.kinds.input import Fact, Input, Place, Record, Room
from synthgrid_assets.inputs.sources.soundness import discard_damaged, is_sound
from synthgrid_assets.lattice.cells import Cells
from synthgrid_assets.lattice.hashing import version_hash
from synthgrid_assets.privacy.releases.marginal_files import publish_marginals, weights_of
from synthgrid_assets.privacy.releases.published import Published, find_published
from synthgrid_assets.world.releases.counts_input import (
    VERSION_DIGITS,
    ReleasedInput,
    released_input,
)
from synthgrid_assets.world.spec import WorldSpec


@dataclass(frozen=True)
class MarginalsInput(Input):
    """What the released marks of a layer are drawn from.

    Parameters
    ----------
    release : ReleasedInput
        The layer's release, with its marks.
    """

    release: ReleasedInput

    room: ClassVar[Room] = "marginals"
    stored_as: ClassVar[str] = "parquet"

    @property
    def code_version(self) -> str:
        """Hash of the questions: public terms."""
        asked = {
            mark: [ask.loss.measure, ask.loss.text, ask.marginal and ask.marginal.as_json()]
            for mark, ask in self.release.marks
        }
        return version_hash([self.release.data_terms, asked])

    def mistakes(self, *, contents: bool) -> list[str]:
        """None beyond those of the world file."""
        return []

    def make(self, folder: Path) -> Record:
        """Publish the recorded marginals; they are charged with the counts where there are none.

        Raises
        ------
        BudgetExhaustedError
            If the budget cannot bear them.
        PrivacyError
            If terms, data or ledger are not those on record, or the file cannot be used.
        """
        found = self.find(folder)
        if found is not None:
            return found
        path = self._path(folder)
        if path.exists():
            discard_damaged(path)
        _, *answers = self.release.recorded(folder)
        recorded = {}
        for (mark, ask), answer in zip(self.release.marks, answers, strict=True):
            assert ask.marginal is not None
            recorded[mark] = ask.marginal, answer
        return _marginals_record(publish_marginals(recorded, path))

    def find(self, folder: Path) -> Record | None:
        """The published marginals, if they answer these questions."""
        path = self._path(folder)
        found = find_published(path)
        if found is None or not is_sound(path, found.is_sound):
            return None
        return _marginals_record(found)

    def open(self, folder: Path, data_version: str) -> dict[str, tuple[int, ...]]:
        """Weights of the bins of each mark.

        Raises
        ------
        StorageError
            If they are not published: nothing is drawn by looking at a world.
        """
        found = find_published(self._path(folder))
        if found is None or found.data_version != data_version:
            raise StorageError(
                f"{self.release.ask.data.name}: the marginals of this layer's marks are not "
                "released yet; `synthgrid privacy preview` tells what that costs, and its asset "
                "counts_release charges the data set's budget once"
            )
        return weights_of(found)

    def _path(self, folder: Path) -> Path:
        return folder / f"marginals-{self.code_version[:VERSION_DIGITS]}"


def _marginals_record(published: Published) -> Record:
    fields = published.fields
    facts: dict[str, Fact] = {
        "data_set": fields["data_set"],
        "snapshot": fields["snapshot"],
        **{
            mark: f"{terms['column']!r} at {terms['measure']} {terms['amount']}, entry "
            f"{terms['sequence']} {terms['hash']}"
            for mark, terms in fields["marks"].items()
        },
    }
    return Record(published.data_version, published.path, facts)


def marginals_input(spec: WorldSpec, layer: str) -> MarginalsInput:
    """The marginals that a layer's marks ask for."""
    place = Place(spec.world.lattice, Cells(*spec.world.extent))
    return MarginalsInput(released_input(spec, layer, place))
