"""The questions that a released layer asks of its private source, in public terms.

Belongs here: from tables of the world file to `Ask`. Not here: answers (`counts_input`,
`marginals_input`), rules between tables (`world.private_inputs`).
"""

from __future__ import annotations

from collections.abc import Iterator

from synthgrid_assets.errors import SpecError
from synthgrid_assets.privacy.grid import Grid
from synthgrid_assets.privacy.marginals import Marginal
from synthgrid_assets.privacy.releases.data_set import Ask, DataSet
from synthgrid_assets.privacy.strategies.terms import EVENT, Loss, Threshold, Unit
from synthgrid_assets.processes.marks.released import Released
from synthgrid_assets.processes.marks.table import released_marks
from synthgrid_assets.processes.released import ReleasedParameters
from synthgrid_assets.world.private_inputs import blocks_of, data_set, private_table
from synthgrid_assets.world.spec import LayerTable, WorldSpec


def ask_of(spec: WorldSpec, layer: str) -> Ask:
    """The question that a released layer asks of its source, in public terms."""
    table = spec.layers[layer]
    data = declared(spec, table.parameters["source"])
    return Ask(data, table.parameters.get("strategy", "flat"), loss_of(table))


def declared(spec: WorldSpec, source: str) -> DataSet:
    """A private input as the world file declares it."""
    table, budget = private_table(spec, source), spec.privacy[source]
    cells, side = blocks_of(spec, budget)
    bounds = table.unit
    return DataSet(
        name=data_set(spec, source),
        snapshot=table.snapshot,
        unit_column=bounds.column if bounds else "",
        unit=Unit(bounds.max_cells, bounds.max_points_per_cell) if bounds else EVENT,
        measure=budget.measure,
        capacity=budget.capacity,
        grid=Grid(spec.world.lattice, cells, side),
        block=budget.block,
        window=None if budget.window is None else cells,
    )


def loss_of(layer: LayerTable) -> Loss:
    """What a released layer's release costs."""
    measure = "epsilon" if layer.parameters.get("epsilon") is not None else "rho"
    return Loss(measure, layer.parameters[measure])


def mark_asks(spec: WorldSpec, layer: str) -> dict[str, Ask]:
    """The questions that a layer's released marks ask, by mark."""
    table = spec.layers[layer]
    marks = released_marks(table.marks)
    data = declared(spec, table.parameters["source"]) if marks else None
    return {name: _mark_ask(data, mark) for name, mark in marks.items() if data is not None}


def _mark_ask(data: DataSet, mark: Released) -> Ask:
    marginal = Marginal(mark.marginal.column, mark.labels, mark.edges)
    return Ask.of_marginal(data, marginal, Loss(*mark.cost))


def question_mistakes(spec: WorldSpec, layer: str) -> Iterator[tuple[str, str]]:
    """What no release could ever be: key below the layer, and message.

    Of a layer whose source and budget are there (`private_inputs.released_mistakes`).
    """
    try:
        ask = ask_of(spec, layer)
        assert ask.on(ask.data.grid)
    except SpecError as error:
        yield f".{error.key}" if error.key else "", str(error)
    marks = released_marks(spec.layers[layer].marks)
    for name, mark in marks.items():
        data = declared(spec, spec.layers[layer].parameters["source"])
        key = f".marks.{name}.{next(iter(type(mark).model_fields))}"
        try:
            asked = _mark_ask(data, mark)
            assert asked.on(data.grid)
        except SpecError as error:
            yield f"{key}.{error.key}" if error.key else key, str(error)
            continue
        if asked.loss.measure != data.measure:
            yield (
                f"{key}.{asked.loss.measure}",
                f"the budget is declared in {data.measure}, and one measure holds for all "
                f"releases of a data set: give {data.measure}",
            )


def threshold_of(spec: WorldSpec, layer: str) -> Threshold | None:
    """Which blocks of a layer's release are shown; None for all."""
    table = ReleasedParameters.model_validate(spec.layers[layer].parameters).threshold
    return None if table is None else Threshold(table.k, table.beta)


def threshold_text(k: int, beta: float, least: float) -> str:
    """A threshold for a person.

    Examples
    --------
    >>> threshold_text(10, 0.001, 16.0)
    'blocks of 16 points and more by estimate; one of fewer than 10 with probability <= 0.001'
    """
    return (
        f"blocks of {least:.6g} points and more by estimate; one of fewer than {k} with "
        f"probability <= {beta:g}"
    )
