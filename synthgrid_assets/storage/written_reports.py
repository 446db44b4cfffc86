"""Which reports of a layer were written: the record of files that stand in no journal.

Belongs here: that a manifest, a table of tests or a file of replicates was written once, so that
it is missed when it is gone. Not here: what is in them, and whether they are whole
(`reports.files`).

Each report has a mark of its own, an object in the store: runs that write reports at the same
time need no turns, and a mark survives the loss of the journal. A run that was interrupted before
it wrote a report leaves no mark.
"""

from __future__ import annotations

from synthgrid_assets.storage.layout import Layout


def mark_written(layout: Layout, key: str) -> None:
    """Record that the report at a key has been written; call it after the report is there."""
    mark = layout.report_mark(key)
    if layout.store.stat(mark) is None:
        layout.store.put(mark, f"{key}\n".encode())


def marked_reports(layout: Layout, world: str, layer: str) -> set[str]:
    """Keys of a layer's reports that have been written, whatever became of them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> layout = Layout(Path(tempfile.mkdtemp()))
    >>> mark_written(layout, layout.report("riverton", "cafes", "moments"))
    >>> marked_reports(layout, "riverton", "cafes")
    {'riverton/cafes/moments.parquet'}
    """
    folder = layout.report_marks(world, layer)
    marks = layout.store.list(f"{folder}/")
    names = (mark.rpartition("/")[2].removesuffix(".txt") for mark in marks)
    return {f"{world}/{layer}/{name}" for name in names}


def forget_report(layout: Layout, key: str) -> None:
    """Remove the record of a report that is needed no more."""
    layout.store.delete(layout.report_mark(key))
