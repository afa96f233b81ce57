"""Arrays of whole rankings, to and from protobuf: as they are, element type and all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attridex.v1 import attribution_pb2 as pb
from attridex.v1.errors import UsageError
from attridex.v1.requests import Precision

PRECISIONS: Mapping[int, Precision] = {
    pb.DTYPE_UNSPECIFIED: "float32", pb.DTYPE_FLOAT32: "float32", pb.DTYPE_FLOAT64: "float64",
}  # fmt: skip
PRECISION_CODES = {"float32": pb.DTYPE_FLOAT32, "float64": pb.DTYPE_FLOAT64}


def precision_from_wire(code: int) -> Precision:
    """An element type of scores.

    Raises:
        UsageError: scores have no such one.
    """
    if code not in PRECISIONS:
        raise UsageError(f"dtype: scores are DTYPE_FLOAT32 or DTYPE_FLOAT64, not {code}", "dtype")
    return PRECISIONS[code]


def array_to_wire(values: NDArray[Any]) -> pb.Vector:
    """An array of float32 or float64, in C order."""
    precision: Precision = "float64" if values.dtype == np.float64 else "float32"
    data = np.ascontiguousarray(values, np.dtype(precision).newbyteorder("<")).tobytes()
    return pb.Vector(data=data, dtype=PRECISION_CODES[precision])


def array_from_wire(message: pb.Vector) -> NDArray[np.float32] | NDArray[np.float64]:
    """An array, flat; read only.

    Raises:
        UsageError: no element type, or bytes that do not fit it.
    """
    kind = np.dtype(precision_from_wire(message.dtype)).newbyteorder("<")
    if len(message.data) % kind.itemsize:
        raise UsageError(f"{len(message.data)} bytes are no whole number of {kind.name} elements", "scores")
    found: NDArray[np.float32] | NDArray[np.float64] = np.frombuffer(message.data, kind)
    return found


def rows_from_wire(rows: Sequence[int]) -> NDArray[np.int64]:
    """Rows of an index."""
    return np.array(rows, np.int64)
