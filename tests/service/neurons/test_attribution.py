"""Activation times gradient beside integrated gradients: what each answers, how they are told apart, how well they agree."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from attridex.client import Client, Query, errors
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.ranks import spearman
from attridex.service.neurons.attribution import EXACT, FAST, neuron_meaning, neuron_method
from tests.conftest import SHOWN, records


class Plain:
    """A tiny OPT through autograd alone."""

    def __init__(self, directory: Path) -> None:
        """Load it."""
        import transformers

        self.model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)

    def ids(self, record: dict[str, Any]) -> Tensor:
        """Token ids [1, T]."""
        text = " ".join(SHOWN["sequence-classification"]["segments"]).format(**record)
        return torch.tensor([[1, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]])

    def gradient(self, ids: Tensor, layer: int, alpha: float, target: int | None) -> tuple[Tensor, Tensor, int]:
        """Activations [F] and dP/da [F] at alpha times them, of the last position of one layer; and the target."""
        seen: list[Tensor] = []

        def edit(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            flat = args[0].reshape(-1, args[0].shape[-1])
            seen.append(flat[-1].detach())
            seen.append((flat[-1].detach() * alpha).requires_grad_(True))
            return (torch.cat([flat[:-1], seen[1][None]]).reshape(args[0].shape),)

        handle = self.model.model.decoder.layers[layer].fc2.register_forward_pre_hook(edit)
        p = self.model(ids).logits.softmax(-1)[0]
        handle.remove()
        target = int(p.argmax()) if target is None else target
        return seen[0], torch.autograd.grad(p[target], seen[1])[0], target

    def scores(self, record: dict[str, Any], alphas: list[float]) -> np.ndarray[Any, Any]:
        """Scores [L * F]: the mean over the points."""
        ids, rows = self.ids(record), []
        target = self.gradient(ids, 0, 1.0, None)[2]
        for layer in range(3):
            found = [self.gradient(ids, layer, alpha, target) for alpha in alphas]
            rows.append(found[0][0] * sum(g for _, g, _ in found) / len(alphas))
        return torch.cat(rows).detach().numpy()


@pytest.fixture
def plain(model_dir: Callable[..., Path]) -> Plain:
    return Plain(model_dir("opt"))


def listed(answer: Any) -> list[dict[tuple[int, int], float]]:
    return [{neuron.neuron: neuron.score for neuron in result.neurons} for result in answer.results]


def kept(scores: np.ndarray[Any, Any], units: int = 40) -> dict[tuple[int, int], float]:
    return {(int(i) // units, int(i) % units): float(scores[i]) for i in np.flatnonzero(scores > 0.1 * scores.max())}


def test_answers_are_activation_times_gradient_for_texts_and_for_stored_instances(plain: Plain, local: Client) -> None:
    rows = records(30)[:4]
    for answer in (
        local.attribute_neurons(rows, r=0, method=FAST),
        local.attribute_neurons([Query.instance(row["id"]) for row in rows], r=0, method=FAST),
    ):
        for found, row in zip(listed(answer), rows, strict=True):
            expected = kept(plain.scores(row, [1.0]))
            assert found == pytest.approx(expected, rel=1e-3, abs=1e-7)
        assert answer.info.method == FAST
        assert not answer.info.exact


def test_the_two_methods_never_answer_from_each_others_memory(local: Client) -> None:
    row = records(30)[3]
    stored = listed(local.attribute_neurons([Query.instance(row["id"])], r=0))
    for _ in range(2):
        exact, fast = local.attribute_neurons([row], r=0), local.attribute_neurons([row], r=0, method=FAST)
        assert listed(exact)[0] == pytest.approx(stored[0], rel=1e-3)
        assert listed(exact) != listed(fast)
        assert (exact.info.method, exact.info.exact) == ("integrated-gradients", True)
    assert fast.info.timings.encode == 0


def test_needs_of_both_methods_wait_together_and_are_answered_apart(local: Client, remote: Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rows = [{**row, "id": "", "premise": f"{row['premise']} ran"} for row in records(8)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(remote.attribute_neurons, [row], r=0, method=m) for row in rows for m in (None, FAST)]
        found = [listed(each.result()) for each in asked]
    expected = [listed(local.attribute_neurons([row], r=0, method=m)) for row in rows for m in (None, FAST)]
    for one, other in zip(found, expected, strict=True):
        assert one[0] == pytest.approx(other[0], rel=1e-3)


def test_the_manifest_holds_the_measured_agreement_and_the_answer_says_it(plain: Plain, index: Path, local: Client) -> None:
    measured = read_manifest(index, read_current(index)).agreement
    pairs = [(plain.scores(row, list(np.linspace(0, 1, 20))), plain.scores(row, [1.0])) for row in records(30)]
    either = [sorted({*np.flatnonzero(e > 0.1 * e.max()), *np.flatnonzero(f > 0.1 * f.max())}) for e, f in pairs]
    expected = {
        "spearman": np.mean([scipy.stats.spearmanr(e, f).statistic for e, f in pairs]),
        "spearman_kept": np.mean([spearman(e[at], f[at]) for at, (e, f) in zip(either, pairs, strict=True)]),
        "top10": np.mean([len({*np.argsort(-e)[:10]} & {*np.argsort(-f)[:10]}) / 10 for e, f in pairs]),
        "instances": 30.0,
    }
    assert measured == pytest.approx(expected, abs=0.01)
    scale = local.attribute_neurons([records(1)[0]], method=FAST).info.scale
    assert f"measured on 30 instances of this index: Spearman {measured['spearman']:.2f} over all neurons" in scale


@pytest.mark.parametrize(
    ("family", "task"), [("bert", "sequence-classification"), ("bert", "multiple-choice"), ("gpt2", "causal-lm")]
)
def test_every_task_measures_and_answers(
    family: str, task: str, project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    config = project(family, 6, task, neurons={"site": "head"})
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    manifest = attridex("info", tmp_path / "i", "--json").lines[0]["manifest"]
    assert manifest["agreement"]["instances"] == 6
    assert -1 <= manifest["agreement"]["spearman"] <= 1
    ran = attridex("query", "na", "--index", tmp_path / "i", "--instance", "t1", "--method", FAST, "--r", 5, "--json")
    assert ran.code == 0, ran.err
    assert (ran.lines[0]["method"], ran.lines[0]["exact"]) == (FAST, False)


def test_an_index_of_activation_times_gradient_says_so_and_refuses_the_other(
    project: Callable[..., Path], attridex: Any, tmp_path: Path, plain: Plain
) -> None:
    assert attridex("build", project(neurons={"rule": "gradient"}), "--out", tmp_path / "i").code == 0
    assert read_manifest(tmp_path / "i", "1").agreement == {}
    with Client.local(tmp_path / "i", model=False) as client:
        for method in (None, FAST):
            answer = client.attribute_neurons([Query.instance("t2")], r=0, method=method)
            assert (answer.info.method, answer.info.exact) == (FAST, False)
            assert listed(answer)[0] == pytest.approx(kept(plain.scores(records(3)[2], [1.0])), rel=1e-3, abs=1e-7)
        with pytest.raises(errors.FailedPreconditionError, match=r"neurons\.rule") as refused:
            client.attribute_neurons([Query.instance("t2")], method="integrated-gradients")
        assert refused.value.reason == "NOT_INDEXED"


def test_stored_instances_need_the_model_for_the_fast_method(index: Path) -> None:
    with Client.local(index, model=False) as client:
        assert client.attribute_neurons([Query.instance("t2")]).results[0].neurons
        with pytest.raises(errors.FailedPreconditionError) as refused:
            client.attribute_neurons([Query.instance("t2")], method=FAST)
        assert refused.value.reason == "MODEL_REQUIRED"


def test_an_unknown_method_is_refused_with_the_nearest(index: Path, attridex: Any) -> None:
    ran = attridex("query", "na", "--index", index, "--instance", "t1", "--method", "activation-gradients")
    assert ran.code == 2
    assert "activation-gradient" in ran.err


@pytest.mark.parametrize("seed", range(5))
def test_spearman_is_scipys_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 6, 50).astype(np.float32), rng.integers(0, 6, 50).astype(np.float32)
    assert spearman(left, right) == pytest.approx(scipy.stats.spearmanr(left, right).statistic)


@pytest.mark.parametrize(
    ("rule", "asked", "answered"),
    [("riemann", "", EXACT), ("riemann", FAST, FAST), ("gradient", "", FAST), ("gradient", FAST, FAST)],
)
def test_the_stored_method_answers_unless_another_is_asked_for(rule: str, asked: str, answered: str) -> None:
    manifest: Any = SimpleNamespace(config=SimpleNamespace(neurons=SimpleNamespace(rule=rule)), agreement={}, task="causal-lm")
    assert neuron_method(manifest, asked) == answered
    assert "P(target), the mean probability of the target's tokens" in neuron_meaning(manifest, answered).scale
