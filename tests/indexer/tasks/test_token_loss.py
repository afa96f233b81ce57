"""Token losses against torch's own cross-entropy and autograd."""

import pytest
import torch
from torch import nn

from attridex.indexer.tasks import token_loss
from attridex.indexer.tasks.token_loss import stretch_losses, token_losses


@pytest.mark.parametrize("bias", [False, True])
def test_losses_and_their_gradients_are_those_of_autograd_whatever_the_stretch(
    bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    head = nn.Linear(6, 11, bias=bias).requires_grad_(False)
    hidden, tokens, weights = torch.randn(7, 6), torch.randint(11, (7,)), torch.rand(7)
    plain = hidden.clone().requires_grad_(True)
    wanted = nn.functional.cross_entropy(head(plain), tokens, reduction="none")
    (wanted * weights).sum().backward()
    for logits in (token_loss.LOGITS, 2 * 11):
        monkeypatch.setattr(token_loss, "LOGITS", logits)
        own = hidden.clone().requires_grad_(True)
        found = token_losses(head, own, tokens)
        (found.cost * weights).sum().backward()
        torch.testing.assert_close(found.cost, wanted, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(own.grad, plain.grad, rtol=1e-5, atol=1e-6)
        assert found.greedy.tolist() == head(hidden).argmax(1).tolist()


def test_no_gradient_is_made_that_nobody_wants() -> None:
    weight, tokens = torch.randn(11, 6), torch.randint(11, (7,))
    assert stretch_losses(torch.randn(7, 6), weight, None, tokens, differentiable=False).gradient.shape == (0, 6)


def test_a_head_that_learns_gets_its_gradient() -> None:
    head = nn.Linear(6, 11)
    token_losses(head, torch.randn(7, 6), torch.randint(11, (7,))).cost.sum().backward()
    assert head.weight.grad is not None


@pytest.mark.parametrize("sharpness", [1.0, 8.0, 16.0, 32.0])
def test_a_sure_model_s_losses_and_gradients_are_no_worse_than_plain_float32(sharpness: float) -> None:
    """Held against float64; a log-sum-exp minus a logit near it has no digits left of a loss of 1e-6."""
    torch.manual_seed(0)
    weight, tokens = torch.nn.functional.normalize(torch.randn(11, 6)), torch.randint(11, (9,))
    hidden = weight[tokens] * sharpness + 0.1 * torch.randn(9, 6)

    def plain(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        h = hidden.to(dtype).requires_grad_(True)
        cost = torch.nn.functional.cross_entropy(h @ weight.to(dtype).T, tokens, reduction="none")
        return cost.detach().double(), torch.autograd.grad(cost.sum(), h)[0].double()

    h = hidden.clone().requires_grad_(True)
    head = nn.Linear(6, 11, bias=False).requires_grad_(False)
    head.weight.copy_(weight)
    cost = token_losses(head, h, tokens).cost
    found = cost.detach().double(), torch.autograd.grad(cost.sum(), h)[0].double()
    for mine, theirs, exact in zip(found, plain(torch.float32), plain(torch.float64), strict=True):
        scale = exact.abs().amax(-1 if exact.dim() > 1 else 0, keepdim=True)
        errors = [float(((value - exact).abs() / scale).max()) for value in (mine, theirs)]
        assert errors[0] <= 2 * errors[1] + 1e-5
        assert errors[0] < 1e-3
