"""What the model, its queue and the requests in flight say at a scrape."""

from collections.abc import Iterator

from tapetum import metrics
from tapetum.profile.statistics import FEATURES
from tapetum.serving.instruments import Reading, Source
from tapetum.serving.lifecycle import Model
from tapetum.serving.record import InFlight
from tapetum.watch.drift import Drift


def of_requests(in_flight: InFlight) -> Source:
    """How many requests are being answered."""
    return lambda: [Reading(metrics.IN_FLIGHT, in_flight.number)]


def of_model(model: Model, engine: str) -> Source:
    """Whether a model can be asked, which one, and how its queue and its workers stand."""

    def read() -> Iterator[Reading]:
        queue = model.queue
        yield Reading(metrics.READY, model.is_ready)
        yield Reading(metrics.QUEUE, queue.pending)
        yield Reading(metrics.QUEUE_LIMIT, queue.limit)
        yield Reading(metrics.BATCH_LIMIT, queue.batch)
        yield Reading(metrics.QUEUE_AGE, queue.oldest_s)
        yield Reading(metrics.WORKERS, queue.workers)
        yield Reading(metrics.WORKERS_WANTED, queue.wanted)
        yield Reading(metrics.WORKERS_REPLACED, queue.replaced)
        yield Reading(metrics.WORKER_MEMORY, queue.memory_bytes)
        for outcome, number in model.reloads.items():
            yield Reading(metrics.RELOADS, number, (outcome,))
        edition = model.edition  # once, since another may take its place meanwhile
        opened = edition.opened
        if (accuracy := edition.test_accuracy) is not None:
            yield Reading(metrics.TEST_ACCURACY, accuracy)
        if edition.is_open and opened is not None:
            facts = edition.facts
            # An imported model that nobody measured has no fingerprint; a label cannot be missing.
            known = (facts.name, facts.version, opened.digest, facts.fingerprint or "")
            yield Reading(metrics.MODEL, 1, (*known, engine, opened.device, opened.precision))

    return read


def of_drift(drift: Drift) -> Source:
    """How the window stands to the profile; what no verdict tells has no series."""

    def read() -> Iterator[Reading]:
        verdict = drift.verdict
        yield Reading(metrics.UNLIKE, drift.unlike)
        yield Reading(metrics.DRIFT_WINDOW, drift.figures().predictions)
        yield Reading(metrics.DRIFT, verdict is not None and verdict.grade != "none")
        yield Reading(metrics.DRIFT_LOSS, verdict.loss_at_least if verdict is not None and verdict.drifted else 0)
        if drift.comparison_s is not None:
            yield Reading(metrics.DRIFT_TIME, drift.comparison_s)
        if verdict is None:
            return
        for name, distance in verdict.distances.items():
            if name != FEATURES and distance.value is not None:
                yield Reading(metrics.DRIFT_PSI, distance.value, (name,))
                yield Reading(metrics.DRIFT_PSI_THRESHOLD, distance.threshold, (name,))
        features = verdict.distances[FEATURES]
        assert features.value is not None, "every picture has features"
        yield Reading(metrics.DRIFT_FEATURES, features.value)
        yield Reading(metrics.DRIFT_FEATURES_THRESHOLD, features.threshold)
        yield Reading(metrics.REFERENCE_ACCURACY, verdict.reference_accuracy)
        yield Reading(metrics.ESTIMATED_HIGH, verdict.accuracy_at_most)
        if verdict.accuracy is not None:
            yield Reading(metrics.ESTIMATED, verdict.accuracy.value)
            yield Reading(metrics.ESTIMATED_LOW, verdict.accuracy.low)
        for label, found in verdict.classes.items():
            if found.accuracy is not None:
                yield Reading(metrics.ESTIMATED_CLASS, found.accuracy.value, (label,))

    return read
