"""What a model says with neurons suppressed or kept, text by text."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from attridex.indexer.config import Config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.models.loading import LoadedModel
from attridex.indexer.neurons.rows import packs
from attridex.indexer.neurons.scores import edited_logits
from attridex.indexer.signing.edits import EditedOutputs, EditedProbes, NeuronEdit
from attridex.indexer.signing.neuron_scoring import LOGITS
from attridex.indexer.signing.passes import on_host
from attridex.indexer.signing.signature import Float32
from attridex.indexer.task_kinds import LANGUAGE_TASKS
from attridex.indexer.tasks.objective import Objective
from attridex.indexer.tasks.probes import Probe, pad_probes

FACTORS = 1 << 26
"""Factors that edits may have at a time: a mixture of experts has many neurons."""


class Editor:
    """Edits neurons of one model. Not thread-safe: hooks and the model's state are its own."""

    def __init__(self, config: Config, loaded: LoadedModel, objective: Objective, text: Callable[[Sequence[int]], str]) -> None:
        """Prepare to edit.

        Args:
            config: of the build.
            loaded: the model.
            objective: of its task.
            text: of tokens.
        """
        self._config, self._loaded, self._objective, self._text = config, loaded, objective, text
        self._arch, self._site = loaded.arch, config.neurons.site
        self._layers, self._units = len(self._arch.layers), self._arch.units(self._site)

    def edited(self, instance: RenderedInstance, edits: Sequence[NeuronEdit]) -> EditedOutputs:
        """What the model says under edits at the read position (causal-lm: at the position before each target token).

        Raises:
            InputError: a neuron that the model does not have.
        """
        self._arch.check_site(self._site)
        for edit in edits:
            edit.check(self._layers, self._units)
        probes = self._objective.edited(instance)
        longest = max(len(probe.sequence) for probe in probes)
        apart = self._config.model.task in LANGUAGE_TASKS  # choices decide together
        most = max(1, self._config.engine.tokens // longest) if apart else len(probes)
        parts = [probes[start : start + most] for start in range(0, len(probes), most)]
        found = [self._probes(part, edits, instance.outputs) for part in parts]
        probabilities = [each.probabilities for each in found]
        mean = np.average(probabilities, axis=0, weights=[*map(len, parts)]) if len(parts) > 1 else probabilities[0]
        said = [[token for each in found for token in each.best[row]] for row in range(len(mean))]
        return EditedOutputs(mean.astype(np.float32), tuple(map(self._text, said)) if apart else None, tuple(found[0].said))

    def _probes(self, probes: Sequence[Probe], edits: Sequence[NeuronEdit], outputs: Sequence[str]) -> EditedProbes:
        """What is decided of probes under edits, row by row; row 0 is unedited."""
        batch, wanted = pad_probes(probes, self._loaded.pad, self._loaded.device)
        width = 1 if packs(self._arch, batch) else batch.ids.shape[1]
        chunk = max(1, min(self._config.engine.tokens // width, LOGITS // self._arch.outputs) // len(probes))
        probabilities, best, said = list[Float32](), list[list[int]](), list[str]()
        for number, part in enumerate(self._factors(edits, min(chunk, max(1, FACTORS // (self._layers * self._units))))):
            logits = edited_logits(self._arch, batch, self._site, part.expand(len(probes), *part.shape))
            fresh = slice(1 if number else 0, None)  # every pass has the unedited row first
            probabilities.append(on_host(self._objective.decide(logits, wanted)[fresh]))
            best += logits[:, fresh].argmax(-1).T.tolist()
            said += self._objective.answers(logits[:, fresh], wanted, outputs)
        return EditedProbes(np.concatenate(probabilities), best, said)

    def _factors(self, edits: Sequence[NeuronEdit], chunk: int) -> Iterator[Tensor]:
        """What each activation is multiplied by [V, L, F], some edits at a time; once nothing where there are none."""
        for start in range(0, max(1, len(edits)), chunk):
            found = [edit.factors(self._layers, self._units) for edit in edits[start : start + chunk]]
            yield torch.stack(found) if found else torch.ones(0, self._layers, self._units)
