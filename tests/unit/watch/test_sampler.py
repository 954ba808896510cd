"""Looks on a thread of their own."""

from queue import Queue

from structlog.testing import capture_logs

from tapetum.watch.sampler import Sampler


def test_it_looks_again_and_again_until_it_is_stopped():
    seen: Queue[int] = Queue()
    looks = iter(range(1_000_000))

    def look() -> int:
        number = next(looks)
        seen.put(number)
        return number

    sampler = Sampler(look, -1, every_s=0.001, first_s=0.001)
    assert sampler.latest == -1
    sampler.start()

    assert [seen.get(timeout=30) for _ in range(3)] == [0, 1, 2]
    assert sampler.latest >= 1
    sampler.stop()


def test_a_look_that_fails_is_logged_and_costs_itself():
    seen: Queue[str] = Queue()
    outcomes = iter([RuntimeError("no driver"), "well"])

    def look() -> str:
        outcome = next(outcomes, "again")
        seen.put(str(outcome))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with capture_logs() as logs:
        sampler = Sampler(look, "at first", every_s=0.001, first_s=0.001)
        sampler.start()
        heard = [seen.get(timeout=30) for _ in range(3)]
        sampler.stop()

    assert heard == ["no driver", "well", "again"]
    assert [(line["event"], line["log_level"]) for line in logs] == [("a look at the machine failed", "error")]
    assert sampler.latest in {"well", "again"}
