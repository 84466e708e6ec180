"""Numbers of this controller in the Prometheus text formats, at ``/metrics``."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List

from prometheus_client import exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics

from vlcp.config import defaultconfig
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, api, call_api, depend, offering
from vlcp.service.connection import httpserver
from vlcp.utils.exceptions import APINotFoundException, APIRejectedException, ModuleAPICallTimeoutException
from vlcp.utils.http import Environment, HttpHandler
from vlcp.utils.metrics import COUNTER, GAUGE, HISTOGRAM, Histogram, Metric, single

_logger = logging.getLogger(__name__)

_OPENMETRICS = "application/openmetrics-text"
_MISSING = (APINotFoundException, APIRejectedException, ModuleAPICallTimeoutException)


def family(metric: Metric) -> Any:
    """Return a metric as the Prometheus client library has it.

    :raises ValueError: the metric's kind or a name is not valid
    """
    name, kind, text, samples = metric
    labels = sorted({label for values, _ in samples for label in values})
    if kind == HISTOGRAM:
        found = HistogramMetricFamily(name, text, labels=labels)
        for values, seen in samples:
            buckets = [(repr(bound), count) for bound, count in seen.buckets] + [("+Inf", seen.count)]
            found.add_metric([values.get(label, "") for label in labels], buckets, seen.total)
        return found
    if kind not in (COUNTER, GAUGE):
        raise ValueError("metric %s: unknown kind %r" % (name, kind))
    plain = (CounterMetricFamily if kind == COUNTER else GaugeMetricFamily)(name, text, labels=labels)
    for values, number in samples:
        plain.add_metric([values.get(label, "") for label in labels], number)
    return plain


def merged(metrics: Iterable[Metric]) -> List[Metric]:
    """Return the metrics with the samples of those of one name joined, for a page names each once."""
    found: Dict[str, Metric] = {}
    for metric in metrics:
        known = found.get(metric.name)
        found[metric.name] = metric if known is None else known._replace(samples=[*known.samples, *metric.samples])
    return list(found.values())


class _Collected:
    """A registry that holds what was collected for one request."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = list(families)

    def collect(self) -> List[Any]:
        return self._families


class _Page(HttpHandler):
    """Serves the page of metrics."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent.scheduler, False, parent.vhostbind)
        self._parent = parent
        self.dispatcher.route(parent.path.encode("ascii"), self._show, self)

    async def _show(self, env: Environment) -> None:
        """Answer in the format that the client asks for: OpenMetrics 1.0, or the Prometheus text format 0.0.4."""
        registry = _Collected(map(family, await self._parent.all()))
        accepted = env.headerdict.get(b"accept", b"").decode("latin-1")
        writer = openmetrics if _OPENMETRICS in accepted else exposition
        env.header(b"Content-Type", writer.CONTENT_TYPE_LATEST)
        env.header(b"Cache-Control", b"no-store")
        env.outputdata(writer.generate_latest(registry))


@defaultconfig
@depend(httpserver.HttpServer)
class Metrics(Module):
    """Shows what all modules count, and how busy the scheduler is, to Prometheus.

    A module takes part by an API ``metrics`` that returns a list of :class:`~vlcp.utils.metrics.Metric`.
    """

    service = False
    _default_vhostbind = "api"
    "Virtual host of the HTTP server to serve on"
    _default_path = "/metrics"
    "Path of the page"
    _default_laginterval = 1.0
    "Seconds between two measurements of the scheduler's lag"
    _default_timeout = 5
    "Seconds that one module may take to tell its numbers; those of a slower one are left out"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._lag = Histogram()
        self._prober = RoutineContainer(self.scheduler, True)
        self._prober.main = self._measure_lag  # type: ignore[method-assign]
        self.routines.extend((_Page(self), self._prober))
        self.create_api(api(self.metrics), api(self.all, self.apiroutine))

    async def _measure_lag(self) -> None:
        """Compare when a timer was due with when it fired."""
        while True:
            due = self.scheduler.current_time + self.laginterval
            await self._prober.wait_with_timeout(self.laginterval)
            self._lag.observe(max(self.scheduler.current_time - due, 0.0))

    def metrics(self):
        """Return the numbers of the scheduler; see :class:`~vlcp.utils.metrics.Metric`."""
        loaded = self.server.moduleloader.active
        return [
            Metric(
                "vlcp_loop_lag_seconds", HISTOGRAM, "How late a timer of the scheduler fired.", [({}, self._lag.distribution())]
            ),
            single("vlcp_queue_events", GAUGE, "Events that wait in the scheduler's queue.", len(self.scheduler.queue)),
            Metric("vlcp_module_loaded", GAUGE, "1 for each loaded module.", [({"module": name}, 1) for name in sorted(loaded)]),
        ]

    async def all(self):
        """Return the numbers of all modules; a module that does not answer in time is left out and logged.

        :return: list of [name, kind, help, samples]; see :class:`~vlcp.utils.metrics.Metric`
        """
        found: List[Metric] = []
        for name in offering(self.scheduler, "metrics"):
            try:
                found.extend(await call_api(self.apiroutine, name, "metrics", {}, self.timeout))
            except _MISSING as error:
                _logger.warning("metrics: module %s is left out: %s", name, error)
        return merged(found)
