"""Spans on their way out: what leaves is told by a list, nothing that a client or a database wrote.

They are sent by a thread of their own; a collector that is away or slow costs spans, and stops nobody.
"""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanContext, Status, set_tracer_provider

TOLD = frozenset({
    "http.request.method", "http.response.status_code", "http.route", "url.scheme",
    "network.protocol.version", "error.type", "code.function.name",
})  # fmt: skip
"""Attributes that leave. Paths, queries, hosts and the words of errors do not."""


class Discreet(OTLPSpanExporter):
    """Sends of each span what may be told."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        return super().export([told(span) for span in spans])


def told(span: ReadableSpan) -> ReadableSpan:
    """Copy a span without events, links, words of its status and what is not in the list."""
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in TOLD}
    return ReadableSpan(
        name=span.name, context=_bare(span.context), parent=_bare(span.parent),
        attributes=attributes, resource=span.resource, kind=span.kind,
        status=Status(span.status.status_code), start_time=span.start_time, end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )  # fmt: skip


def _bare(context: SpanContext | None) -> SpanContext | None:
    """Leave out the state that a client may have sent along."""
    if context is None:
        return None
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def start(service: str) -> TracerProvider:
    """Send the spans of this process from now on."""
    resource = Resource.create({"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discreet()))
    set_tracer_provider(provider)
    return provider
