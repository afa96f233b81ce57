"""Structures for approximate search that FAISS makes on a GPU: lists where it is built for one, graphs where it has cuVS.

Letters: n rows, d dimensions.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from attridex.indexer.errors import InputError, first_line

DEGREE = 64
"""Neighbours of a row in a graph; twice as many are looked at while it is made."""
log = logging.getLogger("attridex.indexer")


class NumberedRows(NamedTuple):
    """Unit rows [n, d] and their numbers [n]."""

    units: NDArray[np.float32]
    numbers: NDArray[np.int64]


def gpu_of(device: str) -> int | None:
    """The GPU that FAISS works on beside a model on a device of PyTorch; None on a CPU, or where FAISS is built for none."""
    if device == "cpu" or not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
        return None
    return int(device.partition(":")[2] or 0)


def check_graphs(kinds: Iterable[str], device: str) -> None:
    """Refuse graphs where nothing could make them, before any work.

    Raises:
        InputError: FAISS is not built with cuVS, or has no GPU.
    """
    if "cagra" in kinds and (gpu_of(device) is None or not hasattr(faiss, "GpuIndexCagra")):
        raise InputError(
            'index.approximate: FAISS makes "cagra" on a GPU, built with cuVS (extra gpu-cu13), which is not here; use "ivf"'
        )


def filled_lists(empty: Any, sample: NDArray[np.float32], rows: Callable[[], Iterable[NumberedRows]], gpu: int | None) -> Any:
    """Inverted lists, trained and filled; in memory where a GPU has no room.

    Args:
        empty: lists, a FAISS index.
        sample: rows that they are trained on.
        rows: gives all rows.
        gpu: which works on it; None for none.
    """
    if gpu is not None:
        try:
            resources: Any = faiss.StandardGpuResources()
            there: Any = faiss.index_cpu_to_gpu(resources, gpu, empty)
            fill(there, sample, rows())
            made: Any = faiss.index_gpu_to_cpu(there)
            made.nprobe = empty.nprobe
            return made
        except (RuntimeError, MemoryError) as error:
            log.warning("inverted lists are made without the GPU (%s)", first_line(error))
    fill(empty, sample, rows())
    return empty


def fill(lists: Any, sample: NDArray[np.float32], rows: Iterable[NumberedRows]) -> None:
    """Train lists on a sample, and put rows into them."""
    lists.train(sample)
    for units, numbers in rows:
        lists.add_with_ids(np.ascontiguousarray(units), numbers)


def graph(rows: Iterable[NumberedRows], size: tuple[int, int], gpu: int) -> Any:
    """A CAGRA graph over rows (Ootomo et al., 2024, arXiv 2308.15136), as FAISS keeps it in memory.

    Args:
        rows: all rows, numbered from 0.
        size: (n, d).
        gpu: which makes it; the rows have to fit into its memory, in float32.

    Raises:
        InputError: FAISS cannot make it there.
    """
    units = np.zeros(size, np.float32)
    for some, numbers in rows:
        units[numbers] = some
    config = faiss.GpuIndexCagraConfig()  # type: ignore[attr-defined]
    config.device = gpu
    config.graph_degree = min(DEGREE, size[0] - 1)
    config.intermediate_graph_degree = min(2 * DEGREE, size[0] - 1)
    try:
        resources = faiss.StandardGpuResources()
        made = faiss.GpuIndexCagra(resources, size[1], faiss.METRIC_INNER_PRODUCT, config)  # type: ignore[attr-defined]
        made.train(units)
        return faiss.index_gpu_to_cpu(made)
    except (RuntimeError, MemoryError) as error:
        taken = f"{size[0]:,} vectors of {size[1]:,} numbers take {units.nbytes / 2**30:,.1f} GiB there, and the graph more"
        raise InputError(
            f'index.approximate: "cagra" cannot be made on GPU {gpu} ({first_line(error)}); {taken}; use "ivf"'
        ) from None
