"""What signing costs is found in a bounded time, whatever the model: by a clock that the model's own work drives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.building import pace as pace_module
from attridex.indexer.building import pilot as pilot_module
from attridex.indexer.building.forecast import forecast_time
from attridex.indexer.building.load import Load, Sampler, work_of
from attridex.indexer.building.pace import SHORT, measured_pace, one_target, shortened
from attridex.indexer.building.pilot import run_pilot
from attridex.indexer.building.plan import make_plan, survey_corpus
from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.corpus.reading import rendered
from attridex.indexer.signing.neuron_scoring import NeuronScorer
from attridex.indexer.signing.signer import Signer
from tests.conftest import records, write_jsonl
from tests.indexer.building.conftest import Begun


class Clock:
    """Seconds that a model's work takes, so many for each token that an FFN sees."""

    def __init__(self, made: Begun, cost: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Drive the pilot's clocks."""
        self.now = 0.0
        for module in made.signer.arch.ffn_out:
            module.register_forward_hook(lambda _module, _inputs, output: self.tick(cost * output[..., 0].numel()))
        for module in (pace_module, pilot_module):
            monkeypatch.setattr(module.time, "perf_counter", self.read)

    def tick(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds

    def read(self) -> float:
        """What the clock says."""
        return self.now


def seen(made: Begun) -> Sampler:
    """All of a corpus."""
    sampler = Sampler()
    for _, instance in rendered(made.config.corpus, made.signer.renderer, labels_needed=True):
        sampler.see(instance)
    return sampler


@pytest.mark.parametrize("cost", [1e-6, 1e-3, 3e-3, 0.03])
@pytest.mark.parametrize(("family", "task"), [("bert", "sequence-classification"), ("llama", "causal-lm")])
def test_a_pilot_takes_bounded_work_whatever_the_model(
    family: str, task: str, cost: float, begun: Callable[..., Begun], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(family=family, task=task, count=60)
    clock = Clock(made, cost, monkeypatch)
    sampler = seen(made)
    pilot = run_pilot(made.plan, made.signer, sampler.longest_first, show_progress=False)
    assert 0 < pilot.rows <= 60
    assert clock.now < 2 * pilot_module.SECONDS + 10 * cost * SHORT * len(made.signer.arch.ffn_out)
    assert {1e-6: pilot.rows == 60, 0.03: pilot.rows == 1}.get(cost, True), "what is quick is signed, what is slow is not"


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_the_pace_of_a_slow_rule_is_reckoned_from_what_fits(
    family: str, begun: Callable[..., Begun], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(family=family, count=20)
    sampler = seen(made)
    Clock(made, 1e-3, monkeypatch)
    whole = measured_pace(made.signer, sampler.kept, 1e6)
    for limit in (1.0, 1e-3):
        found = measured_pace(made.signer, sampler.kept, limit)
        assert found.fast == pytest.approx(whole.fast, rel=0.01)
        assert whole.neurons / 3 < found.neurons < 3 * whole.neurons, "about: the order of magnitude is what is asked for"


@pytest.mark.parametrize("rule", ["riemann", "gradient"])
def test_what_the_first_scoring_of_neurons_makes_once_is_not_counted(
    rule: str, begun: Callable[..., Begun], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(count=20, neurons={"rule": rule})
    clock, score, ready = Clock(made, 1e-5, monkeypatch), NeuronScorer.scores, set[bool]()
    wanted = measured_pace(made.signer, seen(made).kept, 2.0)

    def slow_at_first(scorer: NeuronScorer, *given: Any, fast: bool = False) -> Any:
        clock.tick(0.0 if fast in ready else 1.0)
        ready.add(fast)
        return score(scorer, *given, fast=fast)

    monkeypatch.setattr(NeuronScorer, "scores", slow_at_first)
    found = measured_pace(made.signer, seen(made).kept, 2.0)
    assert (found.neurons, found.fast) == pytest.approx((wanted.neurons, wanted.fast))
    assert len(ready) == (1 if rule == "gradient" else 2)


@pytest.mark.parametrize("cost", [1e-6, 1e-3, 0.03])
@pytest.mark.parametrize("rule", ["gradient", "riemann"])
def test_neurons_of_many_targets_in_one_pass_take_the_time_of_their_texts(
    rule: str, cost: float, model_dir: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": row["id"], "text": f"{row['premise']} / {row['hypothesis']} {row['premise']}"} for row in records(40)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    data = {
        "model": {"path": str(model_dir("llama", "causal-lm")), "task": "causal-lm"}, "neurons": {"rule": rule, "steps": 4},
        "corpus": {"files": ["train.jsonl"], "documents": "text"}, "gradients": {"dim": 32},
    }  # fmt: skip
    config = parse_config(data, "test", tmp_path)
    signer = Signer.load(config)
    made = Begun(config, make_plan(config, survey_corpus(config), signer), signer)
    assert signer.scorer.in_one_pass(fast=True)
    clock, sampler = Clock(made, cost, monkeypatch), seen(made)
    instances = sampler.kept
    decisions = [each.decision for each in signer.sign(instances, gradient=False, neurons=False)]

    def seconds(fast: bool) -> float:
        began = clock.now
        list(signer.scorer.scores(instances, decisions, fast=fast))
        return clock.now - began

    pilot = run_pilot(made.plan, signer, sampler.longest_first, show_progress=False)
    whole = forecast_time(pilot, work_of(signer, sampler.load), 0.0)["neurons"]
    fast = pilot.pace.fast * work_of(signer, sampler.load, fast=True).probe_tokens
    assert fast == pytest.approx(seconds(fast=True), rel=0.35), "padding, and texts that are cut short"
    assert seconds(fast=False) / 3 < whole < 3 * seconds(fast=False)


def test_a_text_cut_short_keeps_a_target_that_is_inside_or_its_end() -> None:
    ids: Any = tuple(range(100, 140))
    long = RenderedInstance("x", (ids,), None, "", False, {}, reads=tuple(range(30, 39)), wanted=ids[31:])
    cut = shortened(long, 16)
    assert (len(cut.sequences[0]), cut.reads, cut.wanted) == (16, (14,), (131,))
    assert shortened(long, 34).reads == (30, 31, 32)
    assert shortened(long, 40) is long
    assert one_target(long).reads == (38,)
    plain = RenderedInstance("y", (ids, ids[:3]), 1, "", False, {}, types=(ids, ids[:3]))
    assert shortened(plain, 8).types == shortened(plain, 8).sequences == ((*ids[:7], ids[-1]), ids[:3]), "an end may be read"
    load = Load()
    load.add(shortened(plain, 8))
    assert (load.tokens, load.probes) == (11, 1)
