"""Model families: where the FFN, the attention and the head of a model are, one object a family.

A family of others is registered by an entry point of the group `attridex.families`, whose name is the model type.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from attridex.indexer.errors import InputError, first_line

GROUP = "attridex.families"


@dataclass(frozen=True)
class Family:
    """Names of a family's modules; those of a layer's parts are relative to the layer.

    A gated FFN computes act(gate) * up, so that "the output of the first FFN linear" (site "pre") is not defined.

    Attributes:
        body: the model without its head.
        layers: the list of transformer blocks.
        ffn_in: a layer's first FFN linear; of a gated FFN its gate.
        ffn_out: a layer's last FFN linear, whose inputs are the FFN neurons.
        attention_out: the output projection of a layer's attention.
        head: a classifier's last linear layer.
        ffn_up: of a gated FFN the linear layer beside the gate.
        before_head: module whose output's tanh a classifier's head reads; None where it reads the body's states.
        causal: whether a position sees only what stands before it: the last one decides; else the first (CLS).
        adds: whether a layer's output is its FFN's output plus what does not depend on it.
        adds_if: setting of the model's configuration that must be true for that, where a family has both kinds.
        positions_after_padding: whether positions are counted from after the padding token's id.
    """

    body: str
    layers: str
    ffn_in: str
    ffn_out: str
    attention_out: str
    head: str = "score"
    ffn_up: str | None = None
    before_head: str | None = None
    causal: bool = True
    adds: bool = True
    adds_if: str | None = None
    positions_after_padding: bool = False


OPT = Family("model", "model.decoder.layers", "fc1", "fc2", "self_attn.out_proj", adds_if="do_layer_norm_before")
GPT2 = Family("transformer", "transformer.h", "mlp.c_fc", "mlp.c_proj", "attn.c_proj")
GPT_NEOX = Family("gpt_neox", "gpt_neox.layers", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "attention.dense")
BLOOM = Family("transformer", "transformer.h", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "self_attention.dense")
LLAMA = Family("model", "model.layers", "mlp.gate_proj", "mlp.down_proj", "self_attn.o_proj", ffn_up="mlp.up_proj")
BERT = Family(
    "bert", "bert.encoder.layer", "intermediate.dense", "output.dense", "attention.output.dense",
    head="classifier", before_head="bert.pooler.dense", causal=False, adds=False,
)  # fmt: skip
ROBERTA = Family(
    "roberta", "roberta.encoder.layer", "intermediate.dense", "output.dense", "attention.output.dense",
    head="classifier.out_proj", before_head="classifier.dense", causal=False, adds=False, positions_after_padding=True,
)  # fmt: skip
FAMILIES = {
    "opt": OPT,
    "gpt2": GPT2,
    "gpt_neox": GPT_NEOX,
    "bloom": BLOOM,
    "llama": LLAMA,
    "qwen2": LLAMA,
    "gemma": LLAMA,
    "mixtral": LLAMA,
    "qwen3_moe": LLAMA,
    "olmoe": LLAMA,
    "gpt_oss": LLAMA,
    "bert": BERT,
    "roberta": ROBERTA,
}


def known_families() -> dict[str, Family]:
    """Every family by model type: those of attridex, and those that others have registered.

    Loading a family of others teaches transformers its model, so this comes before a model's configuration is read.

    Raises:
        InputError: one of another package cannot be loaded, or has a name that is taken.
    """
    known = dict(FAMILIES)
    for point in entry_points(group=GROUP):
        if point.name in known:
            raise InputError(f"{GROUP}: '{point.value}' is named '{point.name}' as another family is; rename or uninstall it")
        known[point.name] = load_family(point)
    return known


def load_family(point: EntryPoint) -> Family:
    """The family that an entry point names.

    Raises:
        InputError: it cannot be loaded, or is no `Family`.
    """
    where = f"the model family '{point.name}' ({point.value})"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # code of others: whatever it raises
        raise InputError(f"{where} cannot be loaded: {first_line(error)}; mend or uninstall it") from error
    if not isinstance(found, Family):
        raise InputError(f"{where} is no Family but {type(found).__name__}")
    return found


def family_of(model_type: str, where: str) -> Family:
    """The family of a model type.

    Raises:
        InputError: its FFN is not known here.
    """
    known = known_families()
    if model_type not in known:
        raise InputError(
            f"{where}: models of type '{model_type}' have no FFN that attridex knows; known: {', '.join(sorted(known))}"
        )
    return known[model_type]
