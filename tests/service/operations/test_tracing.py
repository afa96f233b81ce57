"""Traces: a span for each call, below the client's, with one for each request and what it spent."""

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from attridex.service.operations.tracing import Tracing
from attridex.service.operations.witness import CALL, CallFacts, Ending, RequestFacts
from attridex.v1.answers import Timings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_spans_are_nested_below_the_client_s() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter=exporter)
    call = CallFacts.of("/s/M", "ipv4:1", [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "mine-1")])
    token = CALL.set(call)
    try:
        tracing.begin(call)
        tracing.request(RequestFacts("M", "mine", "grad-dot", "OK", 0.5, Timings(0.1, 0.2, 0.0)))
        tracing.end(call, Ending("NOT_FOUND", "no such thing", 0.6))
    finally:
        CALL.reset(token)
    tracing.request(RequestFacts("M", "mine", "", "OK", 0.5))  # no call: nothing to hang it below
    tracing.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"s/M", "M", "queue", "encode"}
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {TRACE}
    parents = {name: span.parent.span_id for name, span in spans.items()}
    assert f"{parents['s/M']:016x}" == PARENT
    assert parents["M"] == spans["s/M"].context.span_id
    assert parents["queue"] == parents["encode"] == spans["M"].context.span_id
    assert spans["queue"].end_time == spans["encode"].start_time
    assert spans["s/M"].attributes["attridex.request_id"] == "mine-1"
    assert spans["s/M"].status.description == "no such thing"


def test_a_context_that_cannot_be_read_begins_a_trace_of_its_own() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter=exporter)
    for given in ("", "00-zz-zz-01", "\ud800", "x" * 10000):
        call = CallFacts.of("/s/M", "ipv4:1", [("traceparent", given)])
        tracing.begin(call)
        tracing.end(call, Ending("OK", "", 0.1))
    tracing.close()
    assert [span.parent for span in exporter.get_finished_spans()] == [None] * 4
