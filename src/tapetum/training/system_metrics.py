"""What the machine did during a run: MLflow's own system metrics, through the run that must not be held up."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

import structlog

log = structlog.get_logger()


@contextmanager
def sampled(run_id: str, uri: str, record: Callable[[Mapping[str, float], int], None]) -> Iterator[None]:
    """Record a sample every MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL seconds (10), and one when the block ends.

    MLflow's own thread asks the server whether the run still goes on, and ends
    without a sample where the run is shorter than the interval; so only its
    collectors are used. The thread ends with the block.
    """
    done = Event()
    thread = Thread(target=_sample, args=(run_id, uri, record, done), name="system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _sample(run_id: str, uri: str, record: Callable[[Mapping[str, float], int], None], done: Event) -> None:
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, tracking_uri=uri)
        monitor.collect_metrics()  # the processor's share is that since the last look
        for step in itertools.count():
            for collector in monitor.monitors:
                collector.clear_metrics()
            is_over = done.wait(monitor.sampling_interval)
            monitor.collect_metrics()
            record({f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}, step)
            if is_over:
                return
    except Exception as error:  # of psutil or a graphics card's driver: no base but this
        log.warning("no more system metrics, training goes on", reason=str(error))
