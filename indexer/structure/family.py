"""What is given of a model's structure: nothing by default, the names of its modules where a plugin describes a family."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Names of a family's modules, those of a layer's parts relative to the layer; what is not named is found by structure.

    A gated FFN computes act(gate) * up, so that "the output of the first FFN linear" (site "pre") is not defined.

    Attributes:
        body: the model without its head.
        layers: the list of transformer blocks.
        ffn_in: a layer's first FFN linear; of a gated FFN its gate.
        ffn_out: a layer's last FFN linear, whose inputs are the FFN neurons.
        attention_out: the output projection of a layer's attention.
        head: a classifier's last linear layer.
        ffn_up: of a gated FFN the linear layer beside the gate.
        before_head: not needed any more: what stands before the head is run by the model's own code.
        causal: whether a position sees only what stands before it: the last one decides; else the first (CLS).
        adds: whether a layer's output is its FFN's output plus what does not depend on it.
        adds_if: setting of the model's configuration that must be true for that, where a family has both kinds.
        end: the token whose last place a classifier reads, whatever stands behind it; None where it looks for none.
        positions_after_padding: whether positions are counted from after the padding token's id.
    """

    body: str | None = None
    layers: str | None = None
    ffn_in: str | None = None
    ffn_out: str | None = None
    attention_out: str | None = None
    head: str = "score"
    ffn_up: str | None = None
    before_head: str | None = None
    causal: bool = True
    adds: bool = True
    adds_if: str | None = None
    positions_after_padding: bool = False
    end: int | None = None
