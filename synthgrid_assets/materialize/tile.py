"""One tile in a worker: rows are made, committed, drawn, tested as written and accounted for.

Belongs here: the function that the engine calls. Not here: what any product's rows are.
"""

from __future__ import annotations

from synthgrid_assets.lattice.tiling import Tile
from synthgrid_assets.materialize.receipts import Made, Stopwatch, receipt_of
from synthgrid_assets.products.layer_context import LayerContext, LayerJob
from synthgrid_assets.products.product import Product
from synthgrid_assets.storage.receipt import Receipt


def make_tile(job: LayerJob, products: tuple[Product, ...], key: str) -> tuple[Receipt, ...]:
    """Make and commit one tile of some products of a layer.

    Parameters
    ----------
    job : LayerJob
    products : tuple of Product
        Of one step: what they share is computed once.
    key : str
        The tile's key.

    Returns
    -------
    tuple of Receipt
        One per product. The files are complete and in place; they count as committed once
        the receipts stand in the journal. Of a job with `pictures` each brings its own along.
    """
    context = job.open()
    tile = context.spec.world.tiling.from_key(key)
    return tuple(_make(context, product, tile) for product in products)


def _make(context: LayerContext, product: Product, tile: Tile) -> Receipt:
    watch = Stopwatch()
    rows = product.rows(context, tile)
    watch.lap("make")
    written = product.write(context, tile, rows)
    watch.committed(written.file.size)
    png = None
    if context.job.pictures and written.bbox:
        png = product.picture(context, tile, rows)
        watch.lap("draw")
    made = Made(rows.table.num_rows, rows.digest, rows.expected, rows.facts)
    del rows  # a large part of what a full tile takes; tests look at what was written
    verdicts = product.verify(context, tile, written.read())
    watch.lap("test")
    return receipt_of(
        context,
        product,
        tile,
        made,
        written,
        verdicts=verdicts,
        seconds=watch.stages,
        png=png,
    )
