"""How products of float32 are taken on a GPU: with all 24 bits, or with the 11 of TF32, which tensor cores have.

PyTorch has one setting for a process, so its models share it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

from attridex.indexer.config import ModelConfig
from attridex.indexer.errors import InputError

_lock, _chosen = Lock(), list[bool]()


def choose_precision(model: ModelConfig, device: torch.device) -> None:
    """Let the products of a model be taken as its configuration says; on a CPU they have all bits.

    Raises:
        InputError: another model of this process has them otherwise.
    """
    if device.type != "cuda":
        return
    with _lock:
        if not _chosen:
            _chosen.append(model.tf32)
            _set(matmul=model.tf32, convolutions=model.tf32)
        if _chosen != [model.tf32]:
            raise InputError(
                f"{model.path}: model.tf32 = {str(model.tf32).lower()}, and another model of this process has it otherwise; "
                "PyTorch has one setting for all, so serve them apart"
            )


def _set(*, matmul: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = matmul
    torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def one_precision() -> Iterator[None]:
    """Let the first model that is loaded in the block choose anew; what was chosen before holds again behind it."""
    with _lock:
        chosen, before = _chosen.copy(), (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
        _chosen.clear()
    try:
        yield
    finally:
        with _lock:
            _chosen[:] = chosen
            _set(matmul=before[0], convolutions=before[1])


def precision_of(model: ModelConfig, dtype: torch.dtype) -> str:
    """What a model's passes are rounded to: a type of PyTorch, or "tf32"."""
    return "tf32" if model.tf32 and dtype == torch.float32 else str(dtype).removeprefix("torch.")
