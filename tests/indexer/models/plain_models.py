"""Each model type for each of its tasks, and the plain transformers way to what attridex computes of one text."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
import transformers as hf
from torch import Tensor

from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.neurons.quadrature import Quadrature
from attridex.indexer.structure.experts import ExpertWeight
from attridex.indexer.structure.outline import outline
from attridex.indexer.structure.parts import LinearLayer
from attridex.indexer.tasks.probes import Probe
from tests.indexer.models.model_types import MODELS

CLASSES: dict[str, Any] = {
    "sequence-classification": hf.AutoModelForSequenceClassification,
    "multiple-choice": hf.AutoModelForMultipleChoice,
    "causal-lm": hf.AutoModelForCausalLM,
    "seq2seq-lm": hf.AutoModelForSeq2SeqLM,
}
LANGUAGE = ("causal-lm", "seq2seq-lm")
SEES_ALL = ("xlnet", "xlnet (mean)")
"""No language model from left to right, though transformers has it among them."""
BY_SEPARATORS = ("longformer",)
"""Models whose class for multiple choice takes no text that lacks three separators."""
BY_PADDING = "depends on the padding of its batch"
REFUSED = {
    **dict.fromkeys(["convbert", "fnet", "mobilebert", "nystromformer", "xlnet (mean)", "yoso"], BY_PADDING),
    "big_bird (sparse)": "would depend on the texts before",
    "canine": "finds no embeddings of tokens",
    "eurobert (late)": "puts the outputs of its head at all positions together",
    "squeezebert": "finds no blocks",
}
"""Sequence classifiers that are refused, and why."""
TEXTS = [(1, *range(5, 5 + length)) for length in (9, 6)]
SOURCES = [tuple(range(20, 24)), tuple(range(24, 31))]


def knows(auto_class: Any, name: str) -> bool:
    return type(MODELS[name]()) in auto_class._model_mapping


def auto_class(name: str, task: str) -> Any:
    """The class of a task; without one of its own, multiple choice is a classifier's with one output."""
    own = CLASSES[task]
    return own if task != "multiple-choice" or knows(own, name) else CLASSES["sequence-classification"]


def has_task(name: str, task: str) -> bool:
    """Whether transformers has it: encoders are no language models, and encoders with a decoder none from left to right."""
    config = MODELS[name]()
    if task == "seq2seq-lm" or config.is_encoder_decoder:
        return task != "causal-lm" and config.is_encoder_decoder and knows(auto_class(name, task), name)
    if task == "multiple-choice" and (name in BY_SEPARATORS or config.pad_token_id is None):
        return False  # the plain call takes no two choices at once
    sees_all = name in SEES_ALL or (knows(hf.AutoModelForMaskedLM, name) and not getattr(config, "is_decoder", False))
    return knows(auto_class(name, task), name) and not (task == "causal-lm" and sees_all)


CASES = [(name, task) for name in MODELS for task in CLASSES if has_task(name, task) and name not in REFUSED]


def made(name: str, task: str) -> Architecture:
    """A model with random weights, read as one that is loaded."""
    torch.manual_seed(0)
    config = MODELS[name]()
    config.initializer_range = config.init_std = 0.2
    if task == "multiple-choice":
        config.num_labels = 1
    family = outline(auto_class(name, task), config)
    return Architecture(auto_class(name, task).from_config(config).eval().requires_grad_(False), family)


found = cache(made)


def instances(task: str) -> list[RenderedInstance]:
    """Two texts of different lengths that end as they begin, as a classifier with a decoder needs it.

    A language model's last two tokens have a loss; of two choices both are as long.
    """
    rows = []
    for number, (text, source) in enumerate(zip(TEXTS, SOURCES, strict=True)):
        ids = text if task in LANGUAGE else (*text[:-1], text[0])
        lost = {"reads": (len(ids) - 3, len(ids) - 2), "wanted": ids[-2:]} if task in LANGUAGE else {}
        sequences = (ids, ids[::-1]) if task == "multiple-choice" else (ids,)
        label = None if task in LANGUAGE else number
        read = {"source": source} if task == "seq2seq-lm" else {}
        rows.append(RenderedInstance(str(number), sequences, label, str(number), False, {}, **lost, **read))
    return rows


def logits(model: Any, sequences: tuple[tuple[int, ...], ...], source: tuple[int, ...] = ()) -> Tensor:
    """The model's own call: logits of each sequence's labels or choice [S, C], or of each position [S, T, C]."""
    ids = torch.tensor(sequences)
    mask = torch.ones_like(ids)
    if source:
        given = torch.tensor([source])
        named = {"input_ids": given, "attention_mask": torch.ones_like(given), "decoder_input_ids": ids}
    elif type(model).__name__.endswith("ForMultipleChoice"):
        return model(input_ids=ids[None], attention_mask=mask[None]).logits[0, :, None].float()
    else:
        named = {"input_ids": ids, "attention_mask": mask}
    return model(**named).logits.float()


def plain_loss(model: Any, instance: RenderedInstance) -> Tensor:
    """The loss of an instance alone."""
    said = logits(model, instance.sequences, instance.source)
    if instance.reads:
        return F.cross_entropy(said[0, list(instance.reads)], torch.tensor(instance.wanted))
    decided = said[:, 0] if len(instance.sequences) > 1 else said[0]
    return F.cross_entropy(decided[None], torch.tensor([instance.label]))


def weight_of(layer: LinearLayer) -> Tensor:
    return getattr(layer.experts.module, layer.parameter) if isinstance(layer, ExpertWeight) else layer.get_parameter("weight")


def upright(gradient: Tensor, layer: LinearLayer) -> Tensor:
    """A gradient in the way of a linear layer [outputs, inputs]; of experts one a row."""
    turned = layer.experts.module.is_transposed if isinstance(layer, ExpertWeight) else type(layer).__name__ == "Conv1D"
    return gradient.transpose(-1, -2) if turned else gradient


def plain_gradient(arch: Architecture, instance: RenderedInstance) -> Tensor:
    """The gradient of an instance alone, by autograd in the weights themselves."""
    layers = list(arch.linear_layers().values())
    weights = [weight_of(layer).requires_grad_(True) for layer in layers]
    gradients = torch.autograd.grad(plain_loss(arch.model, instance), weights, allow_unused=True)
    for weight in weights:
        weight.requires_grad_(False)
    whole = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]
    return torch.cat([upright(g, layer).flatten() for g, layer in zip(whole, layers, strict=True)])


def plain_probability(model: Any, instance: RenderedInstance, probe: Probe) -> Callable[[], Tensor]:
    """P(target) of a probe: of its token, of the predicted label, or of the predicted choice, the other choices held."""
    if instance.reads:
        return lambda: logits(model, (probe.sequence,), probe.source)[0, -1].softmax(-1)[probe.token]
    said = logits(model, instance.sequences).detach()
    if len(said) == 1:
        target = said[0].argmax()
        return lambda: logits(model, (probe.sequence,))[0].softmax(-1)[target]
    chosen = torch.nn.functional.one_hot(said[:, 0].argmax(), len(said)).bool()
    return lambda: torch.where(chosen, logits(model, (probe.sequence,))[0], said[:, 0]).softmax(0)[chosen][0]


def plain_scores(arch: Architecture, read: int, rule: Quadrature, probability: Callable[[], Tensor]) -> Tensor:
    """Integrated gradients [L, F], one layer, one point and one whole pass at a time.

    Args:
        arch: the model.
        read: the position that is edited.
        rule: of the integral.
        probability: gives P(target) by a pass of one sequence.
    """
    rows = []
    for layer in range(len(arch.layers)):
        seen: list[Tensor] = []
        edited(arch, layer, read, lambda a, seen=seen: seen.append(a.detach()) or a, probability)
        total = torch.zeros_like(seen[0])
        for alpha, weight in zip(rule.points, rule.weights, strict=True):
            point = (seen[0] * alpha).requires_grad_(True)
            total += weight * torch.autograd.grad(edited(arch, layer, read, lambda _, p=point: p, probability), point)[0]
        rows.append(seen[0] * total)
    return torch.stack(rows)


def edited(
    arch: Architecture, layer: int, read: int, change: Callable[[Tensor], Tensor], probability: Callable[[], Tensor]
) -> Tensor:
    """P(target) where one layer's neurons at one position are others; of a module that is called often, in that call alone."""
    module = arch.ffn_out[layer]
    place = [at for at, each in enumerate(arch.ffn_out) if each is module].index(layer)
    calls = [0]

    def hook(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        calls[0] += 1
        if calls[0] - 1 != place:
            return args
        flat = args[0].reshape(-1, args[0].shape[-1])
        return (torch.cat([flat[:read], change(flat[read])[None], flat[read + 1 :]]).reshape(args[0].shape),)

    handle = module.register_forward_pre_hook(hook)
    try:
        return probability()
    finally:
        handle.remove()
