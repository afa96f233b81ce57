"""Errors of quadrature rules for neuron scores on a real language model: quadrature.py MODEL RECORDS [options].

Records are JSON lines with `prompt` and `answer`. An instance's error is sum |score - reference| / sum |reference| over its
neurons at the scored layers; the table gives medians over instances. One reference is the paper's rule with 2,000 points. It is
itself off by about 1 / 2,000 of its end points, a floor below which errors against it say nothing; so errors against 64 points
of Gauss-Legendre stand beside them, among them that of the 2,000 points.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attridex.indexer.config import parse_config
from attridex.indexer.models.architectures import Site
from attridex.indexer.models.batches import pad
from attridex.indexer.neurons.quadrature import Quadrature, Rule, quadrature
from attridex.indexer.neurons.scores import in_layers, unit_pass
from attridex.indexer.signing.signer import Signer
from attridex.indexer.tasks.probes import Wanted

REFERENCES: tuple[tuple[Rule, int], ...] = (("riemann", 2000), ("gauss-legendre", 64))
NAMES = [f"{rule} {m}" for rule, m in REFERENCES]
POINTS = 100
"""Points of one pass: they bound the memory."""
RULES: tuple[Rule, ...] = ("riemann", "gauss-legendre")


class Scorer:
    """Neuron scores of one text at some of the layers."""

    def __init__(self, signer: Signer, record: dict[str, Any], site: Site, layers: range) -> None:
        """Render the record."""
        self._signer, self._site, self._layers = signer, site, layers
        instance = signer.render(record, record["id"])
        probes = signer.objective.probes(instance, -1, 0.0)
        self._batch = pad([probe.sequence for probe in probes], signer.loaded.pad, signer.loaded.device)
        self._wanted = Wanted.of(probes, signer.loaded.device)

    def __call__(self, rule: Rule, steps: int) -> Tensor:
        """Scores [layers, units], the mean over the target tokens; a rule of many points goes in parts, since it is a sum."""
        whole = quadrature(rule, steps)
        cuts = [slice(at, at + POINTS) for at in range(0, len(whole.points), POINTS)]
        return sum((self._part(Quadrature(whole.points[cut], whole.weights[cut])) for cut in cuts), torch.zeros(()))

    def _part(self, rule: Quadrature) -> Tensor:
        arch = self._signer.arch
        found = in_layers(
            arch, self._batch, self._site, rule, self._layers, lambda logits: self._signer.objective.watch(logits, self._wanted)
        )
        return unit_pass(arch, self._site, found).scores.double().mean(0)


def error(found: Tensor, reference: Tensor) -> float:
    """Sum of absolute differences, as a share of the reference's sum of absolute values."""
    return float((found - reference).abs().sum() / reference.abs().sum())


def study(signer: Signer, records: list[dict[str, Any]], site: Site, layers: range, steps: list[int]) -> list[dict[str, Any]]:
    """A row for each rule and number of points at one site: the median error over instances against each reference."""
    errors: dict[tuple[str, int], dict[str, list[float]]] = {}
    for record in records:
        began = time.process_time()
        score = Scorer(signer, record, site, layers)
        references = {f"{rule} {m}": score(rule, m) for rule, m in REFERENCES}
        for rule, m in [*((rule, m) for rule in RULES for m in steps), REFERENCES[0]]:
            found = score(rule, m) if (rule, m) != REFERENCES[0] else references[NAMES[0]]
            row = errors.setdefault((rule, m), {name: [] for name in references})
            for name, reference in references.items():
                row[name].append(error(found, reference))
        sys.stderr.write(f"{site} {record['id']}: {time.process_time() - began:.0f} s of CPU\n")
    return [
        {"rule": rule, "points": m, **{name: statistics.median(values) for name, values in row.items()}, "each": row[NAMES[1]]}
        for (rule, m), row in errors.items()
    ]


def main() -> None:
    """Run the study, print its table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, help="directory of a causal language model")
    parser.add_argument("records", type=Path, help="JSON lines with prompt and answer")
    parser.add_argument("--steps", default="2,4,8,16,20,32", help="numbers of points, with commas")
    parser.add_argument("--sites", default="post,head", help="post and head, with commas")
    parser.add_argument("--layers", default="0:30:6", help="layers that are scored, START:STOP:STEP; all others run free")
    parser.add_argument("--limit", type=int, default=None, help="only the first so many records")
    parser.add_argument("--out", type=Path, default=None, help="JSON file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    records = [json.loads(line) for line in given.records.read_text().splitlines()][: given.limit]
    model = {"path": str(given.model.resolve()), "task": "causal-lm", "dtype": "float32"}
    corpus = {"files": [str(given.records.resolve())], "segments": ["{prompt}"], "target": "{answer}"}
    signer = Signer.load(parse_config({"model": model, "corpus": corpus}, "quadrature.py", Path.cwd()))
    layers, steps = range(*map(int, given.layers.split(":"))), [int(m) for m in given.steps.split(",")]
    signed = signer.sign([signer.render(record, record["id"]) for record in records], gradient=False, neurons=False)
    found = {site: study(signer, records, site, layers, steps) for site in given.sites.split(",")}
    answers = {record["id"]: float(one.probabilities[0]) for record, one in zip(records, signed, strict=True)}
    result = {
        "model": given.model.name,
        "layers": list(layers),
        "error": "sum |score - reference| / sum |reference| over the neurons of these layers; median over instances; "
        f"each: every instance's against {NAMES[1]}",
        "probability of the answer": answers,
        "sites": found,
    }
    sys.stdout.write(f"{'site':6}{'rule':16}{'points':>6}  {'  '.join(f'against {name}' for name in NAMES)}\n")
    for site, rows in found.items():
        for row in rows:
            values = "  ".join(f"{row[name]:>{len(name) + 8}.2e}" for name in NAMES)
            sys.stdout.write(f"{site:6}{row['rule']:16}{row['points']:6d}  {values}\n")
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
