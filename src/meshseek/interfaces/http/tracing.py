"""Traces by OpenTelemetry, where its standard environment asks for them; otherwise none of it is even imported."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from meshseek import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
KNOWN: Final = ("otlp", "console")
FLUSH_MILLISECONDS: Final = 3_000
"""How long the last traces may take to leave, when a service stops."""

log = logging.getLogger(__name__)


class Tracing:
    """Makes the spans of requests, and of what they are spent on.

    Args:
        provider: Sends them where the environment says.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._provider = provider
        self._tracer = provider.get_tracer("meshseek", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[Span]:
        """The span of a request, within the trace that its headers name, if any."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  # only where traces are wanted

        context = self._propagator.extract({name: headers[name] for name in ("traceparent",) if name in headers})
        with self._tracer.start_as_current_span(
            "request", context, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    def stage(self, name: str, about: str) -> AbstractContextManager[object]:
        """The span of what a request is spent on; errors have their line in the log, which knows what may be told."""
        return self._tracer.start_as_current_span(
            name,
            attributes={"meshseek.about": about} if about else None,
            record_exception=False,
            set_status_on_exception=False,
        )

    def close(self) -> None:
        """Send what is left, in bounded time."""
        self._provider.force_flush(FLUSH_MILLISECONDS)


def finish(span: Span, fields: Mapping[str, Any], request_id: str) -> None:
    """Name the span of a request that has ended.

    Args:
        span: Of the request.
        fields: Those of the request's line in the log.
        request_id: By which the log knows it.
    """
    from opentelemetry.trace import StatusCode  # noqa: PLC0415  # likewise

    span.update_name(f"{fields['method']} {fields['route']}")
    span.set_attribute("http.request.method", fields["method"])
    span.set_attribute("http.route", fields["route"])
    span.set_attribute("http.response.status_code", int(fields["status"]))
    span.set_attribute("meshseek.request_id", request_id)
    if fields.get("algorithm"):
        span.set_attribute("meshseek.algorithm", fields["algorithm"])
    if fields["status"] >= 500:  # noqa: PLR2004  # as OpenTelemetry defines it
        span.set_status(StatusCode.ERROR)


def make_tracing(environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """What makes traces, where the environment asks for them; None where it does not, or it cannot be had."""
    names = _exporters(environment)
    if not names:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415
    except ImportError as error:
        log.warning("no traces are made (%s); run: pip install 'meshseek[tracing]', or unset OTEL_*", error)
        return None
    has_name = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {"service.version": __version__} | ({} if has_name else {"service.name": "meshseek"})
    # At the exit nothing is waited for: what is left was sent in :meth:`Tracing.close`, in bounded time.
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    for name in names:
        exporter = OTLPSpanExporter() if name == "otlp" else ConsoleSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
    log.info("traces are made (%s)", ", ".join(names))
    return Tracing(provider)


def _exporters(environment: Mapping[str, str]) -> list[str]:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    wanted = environment.get(EXPORTERS) or ("otlp" if any(map(environment.get, ENDPOINTS)) else "none")
    names = [name.strip().lower() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in {*KNOWN, "none"}]:
        log.warning("%s names '%s', which is not known here; name %s or none", EXPORTERS, unknown[0], ", ".join(KNOWN))
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if "otlp" in names and protocol not in {None, "", "http/protobuf"}:
        log.warning("traces are sent as http/protobuf, not %s; name that port of the collector, often 4318", protocol)
    return [name for name in names if name in KNOWN]
