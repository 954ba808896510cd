"""What the model, its queue and the requests in flight say at a scrape."""

from collections.abc import Iterator

from tapetum import metrics
from tapetum.serving.instruments import Reading, Source
from tapetum.serving.lifecycle import Model
from tapetum.serving.record import InFlight


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
        yield Reading(metrics.QUEUE_AGE, queue.oldest_s)
        yield Reading(metrics.WORKERS, queue.hands)
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
