"""The published table of a release: a function of recorded noise and public parameters.

Belongs here: the threshold and the columns. Not here: true counts, which never reach this
module, and how the table is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthgrid_assets.privacy.release_record import ReleasedCounts

if TYPE_CHECKING:
    import pyarrow as pa

ERROR_BAR_ALPHA = 0.05


def counts_table(released: ReleasedCounts) -> pa.Table:
    """The table that is published: one row for each block, whether shown or not.

    Parameters
    ----------
    released : ReleasedCounts
        What is recorded.

    Returns
    -------
    pyarrow.Table
        Rows in the request's order, with the columns ``block`` (string);
        ``ix0, iy0, ix1, iy1`` (int64, the block's half-open rectangle of atom cells);
        ``k``, ``threshold`` (int64); ``epsilon`` (float64); ``noisy_count`` (int64, null
        where the noisy count is below the threshold); ``published`` (bool);
        ``standard_deviation`` (float64) of the noise, and ``error_bar_95`` (int64): the
        noise lies within plus or minus this much with probability 0.95 or more.

    Notes
    -----
    A noisy count is an unbiased estimate before the threshold. Of blocks whose true count
    is near the threshold, those with positive noise are shown, so shown counts near it are
    too large on average.

    Examples
    --------
    >>> from synthgrid_assets.privacy.blocks import Block
    >>> from synthgrid_assets.privacy.release_record import ReleaseRequest
    >>> blocks = (Block(0, 0), Block(1, 0))
    >>> request = ReleaseRequest("riverton", "cafes", "5f3a", blocks, epsilon=1.0)
    >>> released = ReleasedCounts(request, np.array([16, 15]), (1, 2), None, drawn=2)
    >>> counts_table(released)["noisy_count"].to_pylist()
    [16, None]
    """
    import pyarrow as pa

    from synthgrid_assets.storage.formats.columns import masked_array, plain_array, text_array

    request = released.request
    n = len(request.blocks)
    published = released.noisy >= request.threshold
    corners = np.array([block.cells for block in request.blocks], np.int64).reshape(n, 4)
    columns = {
        "block": text_array(block.name for block in request.blocks),
        **{name: plain_array(corners[:, i]) for i, name in enumerate(("ix0", "iy0", "ix1", "iy1"))},
        "k": plain_array(np.full(n, request.k, np.int64)),
        "threshold": plain_array(np.full(n, request.threshold, np.int64)),
        "epsilon": plain_array(np.full(n, request.epsilon, np.float64)),
        # zeros under the nulls: a null's memory would still hold the suppressed count
        "noisy_count": masked_array(np.where(published, released.noisy, 0), ~published),
        "published": plain_array(published),
        "standard_deviation": plain_array(np.full(n, request.law.standard_deviation)),
        "error_bar_95": plain_array(np.full(n, request.law.accuracy(ERROR_BAR_ALPHA), np.int64)),
    }
    return pa.table(columns)
