"""Arrays by their elements, as jaxtyping takes them: `NDArray` is no class where numpy makes it a `type` alias (Python 3.12)."""

from typing import Any

import numpy as np

Singles = np.ndarray[Any, np.dtype[np.float32]]
Doubles = np.ndarray[Any, np.dtype[np.float64]]
ShortIntegers = np.ndarray[Any, np.dtype[np.int32]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
