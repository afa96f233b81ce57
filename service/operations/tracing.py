"""OpenTelemetry traces by OTLP: a span for each call, below the client's where it sent `traceparent`, and for what it spent."""

import time

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from attridex.service.operations.witness import CALL, CallFacts, Ending, RequestFacts, Witness

SPAN = "span"


class Tracing(Witness):
    """Traces what it sees."""

    def __init__(self, endpoint: str = "", exporter: SpanExporter | None = None) -> None:
        """Send spans to a collector, http://HOST:PORT or https://HOST:PORT, or give them to an exporter."""
        self._provider = TracerProvider(resource=Resource.create({"service.name": "attridex"}))
        chosen = exporter or OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
        self._provider.add_span_processor(BatchSpanProcessor(chosen))
        self._tracer = self._provider.get_tracer("attridex.service")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, call: CallFacts) -> None:
        """See `Witness`."""
        parent = self._propagator.extract({key: call.metadata[key] for key in self._propagator.fields if key in call.metadata})
        service, _, method = call.rpc.removeprefix("/").partition("/")
        attributes = {
            "rpc.system": "grpc", "rpc.service": service, "rpc.method": method, "client.address": call.client,
            "attridex.request_id": call.request_id,
        }  # fmt: skip
        call.notes[SPAN] = self._tracer.start_span(f"{service}/{method}", parent, SpanKind.SERVER, attributes)

    def request(self, request: RequestFacts) -> None:
        """See `Witness`: a span of the request, and below it one for each stage, one after the other up to its end."""
        call = CALL.get()
        span: Span | None = call.notes.get(SPAN) if call else None
        if span is None:
            return
        ended = time.time_ns()
        attributes = {"attridex.index": request.index, "attridex.method": request.method, "attridex.code": request.code}
        own = self._tracer.start_span(
            request.rpc, set_span_in_context(span), attributes=attributes, start_time=ended - int(1e9 * request.seconds)
        )
        at = ended
        timings = request.timings
        for name, seconds in (
            (("search", timings.search), ("encode", timings.encode), ("queue", timings.queue)) if timings else ()
        ):
            if seconds:
                stage = self._tracer.start_span(name, set_span_in_context(own), start_time=at - int(1e9 * seconds))
                stage.end(at)
                at -= int(1e9 * seconds)
        own.end(ended)

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        span: Span | None = call.notes.pop(SPAN, None)
        if span is not None:
            span.set_attribute("rpc.response.status_code", how.code)
            if how.code not in ("OK", "CANCELLED"):
                span.set_status(Status(StatusCode.ERROR, how.message))
            span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
