"""Linear convolution by fast Fourier transform, as `scipy.signal.fftconvolve` has it.

Belongs here: the convolution. Not here: what is convolved (`cluster_counts`, `moments`).

`scipy.signal` imports all of `scipy.stats` and more: most of a second for every process that
makes tiles, for these few lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfftn, next_fast_len, rfftn


def convolve(
    a: NDArray[np.float64], b: NDArray[np.float64], *, valid: bool = False
) -> NDArray[np.float64]:
    """The convolution of two arrays of as many axes.

    Parameters
    ----------
    a, b : ndarray of float64
    valid : bool
        Only where `b`, no longer than `a` on any axis, lies wholly within `a`.

    Returns
    -------
    ndarray of float64
        On each axis ``n + m - 1`` values, or ``n - m + 1`` valid ones.

    Examples
    --------
    >>> convolve(np.array([1.0, 2.0]), np.array([1.0, 3.0])).round(9).tolist()
    [1.0, 5.0, 6.0]
    """
    lengths = [n + m - 1 for n, m in zip(a.shape, b.shape, strict=True)]
    fast = [next_fast_len(length, real=True) for length in lengths]
    whole = irfftn(rfftn(a, fast) * rfftn(b, fast), fast)
    if valid:
        part = [slice(m - 1, n) for n, m in zip(a.shape, b.shape, strict=True)]
    else:
        part = [slice(length) for length in lengths]
    return np.ascontiguousarray(whole[tuple(part)])
