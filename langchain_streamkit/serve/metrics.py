"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from langchain_streamkit.runs.leftovers import orphans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric

    from langchain_streamkit.manager.run_manager import RunManager


def metrics_text(manager: RunManager) -> tuple[bytes, str]:
    """Return what the manager has counted so far, and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ManagerCollector(manager))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class ManagerCollector(Collector):
    """The numbers of one manager, for a registry of your own: ``REGISTRY.register(...)``."""

    def __init__(self, manager: RunManager) -> None:
        self._manager = manager

    def collect(self) -> Iterable[Metric]:
        """Yield each metric as it is now."""
        manager, stats = self._manager, self._manager.stats
        yield _gauge("runs_active", "Runs that this process makes now.", manager.active_runs)
        yield _gauge("readers", "Clients that read runs from this process now.", manager.readers)
        yield _gauge(
            "orphans", "Threads at work for runs that ended: nothing could stop them.", orphans()
        )
        yield _counter("runs_started", "Runs that were accepted.", stats.started)
        yield _counters("runs_ended", "Runs that ended.", "outcome", stats.ended)
        yield _counters("runs_refused", "Runs that were not accepted.", "reason", stats.refused)
        yield _counter("events", "Events that went to the log.", stats.events)
        tokens = {"input": stats.input_tokens, "output": stats.output_tokens}
        yield _counters("tokens", "Tokens of all model calls.", "direction", tokens)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"streamkit_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"streamkit_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"streamkit_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
