"""A process has one precision for products of float32 on GPUs, which its models share."""

from collections.abc import Iterator

import pytest
import torch

from attridex.indexer.config import ModelConfig
from attridex.indexer.errors import InputError
from attridex.indexer.models.precision import choose_precision, one_precision, precision_of

GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def unchosen() -> Iterator[None]:
    """Nothing is chosen yet; PyTorch's own setting comes back."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with one_precision():
        yield
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


@pytest.mark.parametrize("tf32", [False, True])
def test_the_first_model_on_a_gpu_chooses_for_all(tf32: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = not tf32
    choose_precision(ModelConfig(path="m", tf32=not tf32), torch.device("cpu"))
    for _ in range(2):
        choose_precision(ModelConfig(path="m", tf32=tf32), GPU)
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == tf32
    with pytest.raises(
        InputError, match=rf"^other: model.tf32 = {str(not tf32).lower()}, and another model .* serve them apart$"
    ):
        choose_precision(ModelConfig(path="other", tf32=not tf32), GPU)
    assert torch.backends.cuda.matmul.allow_tf32 == tf32


def test_a_precision_is_that_of_the_weights_but_for_tf32() -> None:
    assert precision_of(ModelConfig(path="m"), torch.float32) == "float32"
    assert precision_of(ModelConfig(path="m", tf32=True), torch.float32) == "tf32"
    assert precision_of(ModelConfig(path="m", tf32=True), torch.bfloat16) == "bfloat16"
