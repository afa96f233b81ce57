"""What a language model does to its head's output: nothing, a factor (Cohere, Granite), or a soft cap (Gemma 2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
"""Settings of a model's configuration that say what caps its logits."""


@dataclass(frozen=True)
class LogitRule:
    """logits = cap * tanh(scale * z / cap) of the head's output z; scale * z without a cap.

    Attributes:
        scale: 1 for most models.
        cap: None for most models.
    """

    scale: float = 1.0
    cap: float | None = None

    @property
    def plain(self) -> bool:
        """Whether the logits are the head's output itself."""
        return self.scale == 1 and self.cap is None

    def __call__(self, z: Tensor) -> Tensor:
        """The logits."""
        scaled = z if self.scale == 1 else z * self.scale
        return scaled if self.cap is None else self.cap * torch.tanh(scaled / self.cap)

    def slope(self, logits: Tensor) -> Tensor | float:
        """Derivative of each logit in the head's output."""
        return self.scale if self.cap is None else self.scale * (1 - (logits / self.cap).square())


PLAIN = LogitRule()
"""The head's output itself."""


def logit_rule(made: Tensor, logits: Tensor, cap: float | None, tolerance: float) -> LogitRule | None:
    """The rule that turns a head's output into logits, or None where there is no such rule.

    Args:
        made: the head's output in a traced pass.
        logits: of the same pass.
        cap: of the model's configuration.
        tolerance: relative.
    """
    z, wanted = made.detach().double().flatten(), logits.detach().double().flatten()
    if z.shape != wanted.shape:
        return None
    inner = wanted if cap is None else cap * torch.atanh((wanted / cap).clamp(-1 + 1e-12, 1 - 1e-12))
    scale = float((z @ inner) / (z @ z))
    rule = LogitRule(1.0 if abs(scale - 1) < tolerance else scale, cap)
    close = torch.allclose(rule(z), wanted, rtol=tolerance, atol=tolerance * float(wanted.abs().max()))
    return rule if close else None
