"""Products of stored vectors with queries on a torch device, and how far off they may be.

Letters: q queries, n rows, d dimensions, u the unit roundoff of float32.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attridex.service.search.scan import ROUNDOFF, scaled, slack

LOW = 2.0**12
"""What the lower half of a query is multiplied by, so that float16 holds it."""
CUT, COARSE = 4.0, 2.0**-9
"""How much further off sums of tensor cores may be, which cut where others round; and products of float32, which are by TF32 as
soon as a model with `tf32` is loaded."""
STEP = 1 << 14
"""Rows that are widened at a time where the device has no product of float16 with float32 sums."""


def columns_of(queries: NDArray[np.float64], like: Tensor) -> Tensor:
    """Queries as the columns [d, q] that stored vectors are multiplied with; [d, 2 q] for float16, upper and lower halves.

    Args:
        queries: [q, d]; each is divided by a power of two, see `scaled`.
        like: stored vectors.
    """
    wide = torch.from_numpy(scaled(queries)[0])
    if like.dtype == torch.float32:
        return wide.T.to(like.device)
    upper = wide.to(torch.float16)
    lower = ((wide - upper.to(torch.float32)) * LOW).to(torch.float16)
    return torch.cat([upper, lower]).T.to(like.device)


def products(rows: Tensor, columns: Tensor) -> Tensor:
    """Inner products [n, q] in float32 of stored vectors with queries, see `columns_of`."""
    if rows.dtype == torch.float32:
        return rows @ columns
    upper, lower = whole_products(rows, columns).chunk(2, dim=1)
    return torch.add(upper, lower, alpha=1 / LOW)


def whole_products(rows: Tensor, columns: Tensor) -> Tensor:
    """Products of float16 numbers, summed in float32."""
    if rows.device.type == "cuda":
        return torch.mm(rows, columns, out_dtype=torch.float32)
    wide = columns.to(torch.float32)
    return torch.cat([block.to(torch.float32) @ wide for block in rows.split(STEP)])


def error_of(rows: Tensor) -> float:
    """How far a product may be from the exact one, and the rounding of what is made of it: see `slack`.

    A query's halves are off by 2^-22 of it and by less than u of its length where float16 has no bits left; two products are
    added, and three more operations follow, each within u of a number that is below 1.01.
    """
    error = slack(rows.shape[1]) + 16 * ROUNDOFF
    if rows.device.type != "cuda":
        return error
    return CUT * error + (COARSE if rows.dtype == torch.float32 else 0.0)
