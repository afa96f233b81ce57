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
