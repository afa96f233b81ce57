"""Metrics count what they are told, under names that only the server gives."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from attridex.service.operations.metrics import IndexFacts, Metrics
from attridex.service.operations.witness import CallFacts, Ending, RequestFacts
from attridex.v1.answers import Timings


class Pool:
    """Threads of a kind."""

    name, threads, busy, waiting = "look-up", 16, 3, 2


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    kind, page = metrics.page("")
    assert kind.startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_calls_requests_stages_and_batches_are_counted() -> None:
    metrics, call = Metrics(), CallFacts("/s/M", "ipv4:1", "r")
    metrics.begin(call)
    assert samples(metrics)["attridex_calls_under_way", "/s/M"] == 1
    metrics.request(RequestFacts("M", "mine", "grad-dot", "OK", 0.25, Timings(0.125, 0.0625, 0.03125), True))
    metrics.request(RequestFacts("M", "", "", "NOT_FOUND", 0.25))
    metrics.end(call, Ending("OK", "", 0.5))
    metrics.batch("mine")(3, 40)
    found = samples(metrics)
    assert found["attridex_calls_under_way", "/s/M"] == 0
    assert found["attridex_calls_total", "OK", "/s/M"] == 1
    assert found["attridex_call_seconds_sum", "/s/M"] == 0.5
    assert found["attridex_requests_total", "OK", "mine", "grad-dot", "M", "yes"] == 1
    assert found["attridex_requests_total", "NOT_FOUND", "", "", "M", "no"] == 1
    stages = {stage: found["attridex_stage_seconds_sum", "M", stage] for stage in ("queue", "encode", "search")}
    assert stages == {"queue": 0.125, "encode": 0.0625, "search": 0.03125}
    assert (found["attridex_batch_texts_sum", "mine"], found["attridex_batch_tokens_sum", "mine"]) == (3, 40)
    assert found["process_resident_memory_bytes",] > 0


def test_replicas_are_told_as_they_are_now() -> None:
    metrics, there = Metrics(), {"shard group 1": 2.0, "shard group 2": 1.0}
    metrics.watch_replicas(lambda: there)
    assert samples(metrics)["attridex_replicas", "shard group 2"] == 1
    there["shard group 2"] = 0.0
    assert samples(metrics)["attridex_replicas", "shard group 2"] == 0


def test_indices_and_threads_are_told_as_they_are_now() -> None:
    metrics, facts = Metrics(), [IndexFacts("mine", "3", 5, True, False, 7, 100, 2, 1)]
    metrics.watch(lambda: facts, lambda: [Pool()])
    metrics.ready(lambda: True)
    found = samples(metrics)
    expected = {
        ("attridex_index_info", "mine", "3"): 1, ("attridex_index_instances", "mine"): 5, ("attridex_index_whole", "mine"): 1,
        ("attridex_index_current", "mine"): 0, ("attridex_texts_waiting", "mine"): 7, ("attridex_cache_bytes", "mine"): 100,
        ("attridex_cache_lookups_total", "yes", "mine"): 2, ("attridex_cache_lookups_total", "no", "mine"): 1,
        ("attridex_threads", "look-up"): 16, ("attridex_threads_busy", "look-up"): 3, ("attridex_calls_waiting", "look-up"): 2,
        ("attridex_ready",): 1,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    facts[0] = IndexFacts("mine", "4", 6, False, True)
    assert samples(metrics)["attridex_index_info", "mine", "4"] == 1
    assert ("attridex_index_info", "mine", "3") not in samples(metrics)
