"""Pictures that are computed together: each gets the answer that it gets alone, and costs what it costs alone."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import encode
from running import frozen, post, serve_command

from tapetum import bundle as bundles
from tapetum.errors import BrokenPicture, EmptyPicture, EngineError, NotAPicture, WorkerLost
from tapetum.inference import golden, worker
from tapetum.inference.engine import Outputs, open_engine
from tapetum.inference.pool import WATCH_S, Pool
from tapetum.inference.predictor import Picture, Prediction, Predictor
from tapetum.inference.showing import Answer
from tapetum.inference.work import Job, Limits
from tapetum.inference.worker import Plan
from tapetum.inference.workers import ProcessWorker

MEASURED = "the batch that pays is measured"

# Runs in each worker before anything else: a decoder of GIF that crashes on one size and stands still on another.
FAULTY = """
import os, sys, time
if "tapetum.inference.worker" in sys.orig_argv:
    from PIL.GifImagePlugin import GifImageFile
    sound = GifImageFile._open
    def _open(self):
        sound(self)
        if self.size == (7, 7):
            os.abort()
        if self.size == (9, 9):
            time.sleep(1000)
    GifImageFile._open = _open
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def with_a_faulty_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers whose decoder does not survive some pictures."""
    (tmp_path / "sitecustomize.py").write_text(FAULTY)
    paths = [str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@asynccontextmanager
async def opened(bundle_path: Path, workers: int = 1, batch: int = 8, hang_s: float = 60) -> AsyncIterator[Pool]:
    """A pool that gives its workers so many pictures at a time."""
    pool = Pool(Plan(bundle_path, "openvino", "auto", 5_000_000), workers, Limits(400, 4, 10**9, hang_s, 10**9))
    await pool.start()
    pool.predictions.batch = batch
    try:
        yield pool
    finally:
        await pool.close()


async def answers(pool: Pool, pictures: list[Picture]) -> list[Answer | BaseException]:
    """What becomes of pictures that come all at once."""
    return await asyncio.gather(*(job.answer for job in pool.submit(pictures)), return_exceptions=True)


def gif(side: int) -> bytes:
    return encode(np.full((side, side, 3), 200, np.uint8), "GIF")


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [0, 1])
async def test_a_batch_gets_the_answers_of_its_pictures_alone(bundle_path, trained, pixels, workers):
    names = ["bright/00", "dark/01", "dark/02", "bright/03", "dark/04", "bright/05"]
    pictures = [*((trained / "pictures" / f"{name}.png").read_bytes() for name in names), *pixels[:2]]
    async with opened(bundle_path, workers) as pool:
        together = await answers(pool, pictures)
        alone = [(await answers(pool, [picture]))[0] for picture in pictures]
        assert pool.opened is not None
        bound = golden.PROBABILITY[pool.opened.precision]

    assert len({one.inference_s for one in together}) == 1, "one call of the engine"
    assert len({one.inference_s for one in alone}) == len(alone)
    for one, other in zip(together, alone, strict=True):
        assert (one.label, one.width, one.height) == (other.label, other.width, other.height)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=bound)


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [0, 1])
async def test_bad_pictures_are_errors_among_those_of_their_batch(bundle_path, bright, jpeg, workers):
    wrong = np.zeros((8, 16, 3), np.uint8)
    async with opened(bundle_path, workers) as pool:
        found = await answers(pool, [b"", bright, b"hello", jpeg[: len(jpeg) // 2], wrong, bright, jpeg, b""])
        nothing = await answers(pool, [b"", b""])

    kinds = [EmptyPicture, Prediction, NotAPicture, BrokenPicture, BrokenPicture, Prediction, Prediction, EmptyPicture]
    assert [type(one) for one in found] == kinds
    assert [type(one) for one in nothing] == [EmptyPicture, EmptyPicture]


@pytest.mark.anyio
@pytest.mark.usefixtures("with_a_faulty_decoder")
@pytest.mark.parametrize(("bad", "hang_s"), [(7, 60), (9, 3)])
async def test_a_picture_that_costs_a_worker_costs_its_batch_nothing(bundle_path, bright, bad, hang_s):
    """Neither one that crashes the decoder nor one on which that stands still."""
    pictures = [bright, gif(8), gif(bad), bright, gif(8), bright]
    async with opened(bundle_path, hang_s=hang_s) as pool:
        found = await answers(pool, pictures)

        assert [type(one) for one in found] == [Prediction] * 2 + [WorkerLost] + [Prediction] * 3
        assert pool.status.replaced == 2  # with its batch, and alone
        assert pool.pending == 0
        assert [type(one) for one in await answers(pool, [bright] * 3)] == [Prediction] * 3


@pytest.mark.anyio
@pytest.mark.usefixtures("with_a_faulty_decoder")
@pytest.mark.parametrize("batch", [1, 2])
async def test_a_picture_that_is_lined_up_survives_what_it_stands_behind(bundle_path, bright, batch):
    """Of batches, those before the bad picture have their answers, and those with it are computed alone."""
    pictures = [*[bright] * batch, *[gif(7)] * batch, *[bright] * 4]
    async with opened(bundle_path, batch=batch) as pool:
        found = await answers(pool, pictures)

    assert [type(one) for one in found] == [Prediction] * batch + [WorkerLost] * batch + [Prediction] * 4


@pytest.mark.anyio
async def test_no_worker_is_blamed_for_what_a_pause_of_the_machine_took(bundle_path, bright):
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    others = set(listed.read_text().split())
    hang_s = 1.5
    async with opened(bundle_path, batch=1, hang_s=hang_s) as pool:
        children = set(listed.read_text().split()) - others
        await answers(pool, [bright])
        with frozen([int(child) for child in children]):
            (job,) = pool.submit([bright])
            time.sleep(hang_s + 0.5)  # which is the pause: neither the front nor its worker gets on
            await asyncio.sleep(3 * WATCH_S)  # and the worker is the last to go on

        assert isinstance(await job.answer, Prediction)
        assert (len(children), pool.status.replaced) == (1, 0)


@pytest.mark.anyio
async def test_a_worker_is_timed_between_its_pictures(bundle_path, rng):
    plan = Plan(bundle_path, "openvino", "auto", 5_000_000)
    worker = ProcessWorker(plan, lambda worker, left: None)
    await worker.open()
    large = Job(encode(rng.integers(0, 256, (1200, 1200, 3), dtype=np.uint8), "PNG"), plan.max_pixels)

    worker.ask([large])  # of which the line does not take all at once

    assert 0 < await worker.call_s(2) < 60
    assert isinstance(await large.answer, Prediction)

    with frozen([worker.pid]):
        timing = asyncio.create_task(worker.call_s(1))
        await asyncio.sleep(0)
        worker.kill("the test says so")
        with pytest.raises(WorkerLost, match="the test says so"):
            await timing
    with pytest.raises(WorkerLost):
        await worker.call_s(1)
    await worker.close()


class Picky:
    """An engine that cannot compute a black picture, nor whatever is computed with one."""

    def __init__(self, engine) -> None:
        self._engine = engine
        self.name, self.precision, self.device = engine.name, engine.precision, engine.device

    def infer(self, images: np.ndarray) -> Outputs:
        if not images.any(axis=(1, 2, 3)).all():
            raise RuntimeError("a black picture")
        return self._engine.infer(images)


def test_what_nobody_foresaw_costs_the_one_whose_fault_it_is(bundle_path, bright):
    bundle = bundles.load(bundle_path)
    predictor = Predictor(bundle, Picky(open_engine("openvino", bundle)))
    black = encode(np.zeros((16, 16, 3), np.uint8), "PNG")

    first, second, third, fourth = worker.answers(predictor, [bright, black, b"", bright], None)

    assert (first.label, fourth.label) == ("bright", "bright")
    assert isinstance(second, EngineError)
    assert "a black picture" in str(second)
    assert isinstance(third, EmptyPicture)


def test_a_service_batches_by_itself_and_answers_each_picture_once(start, trained):
    """Many callers, and a worker that is killed between: every answer is that of its picture, in its place."""
    service = start(TAPETUM_WORKERS="2", TAPETUM_MAX_PENDING="256", TAPETUM_REQUEST_TIMEOUT_S="60")
    (line,) = service.logged(1, event=MEASURED)
    labels = ["bright", "dark", "dark", "bright", "dark", "bright", "bright", "dark"]
    contents = [(trained / "pictures" / label / f"{row:02}.png").read_bytes() for row, label in enumerate(labels)]

    def ask(number: int) -> list[tuple[str, str]]:
        turned = number % len(labels)
        files = [("files", content) for content in contents[turned:] + contents[:turned]]
        results = service.client.post("/predict/batch", files=files, headers={"X-Request-Timeout": "60"}).json()
        said = [item.get("prediction", item.get("type")) for item in results["results"]]
        return list(zip(labels[turned:] + labels[:turned], said, strict=True))

    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(ask, number) for number in range(40)]
        asked[10].result()
        os.kill(service.workers()[0], signal.SIGKILL)
        said = Counter(pair for future in asked for pair in future.result())

    lost = sum(count for (_, answer), count in said.items() if "worker-lost" in answer)
    assert lost <= 1
    assert said["bright", "bright"] + said["dark", "dark"] + lost == 8 * 40
    for label in ("bright", "dark"):
        row = f'predictions_total{{predicted_class="{label}"}} {float(said[label, label])}'
        service.until(lambda row=row: row in service.client.get("/metrics").text)
    assert f"prediction_batch_limit_pictures {float(line['pictures'])}" in service.client.get("/metrics").text


def test_a_reload_measures_anew(start, own_bundle):
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="1")
    service.logged(1, event=MEASURED)

    service.process.send_signal(signal.SIGHUP)

    first, second = service.logged(2, event=MEASURED)
    assert list(first["call_ms"]) == list(second["call_ms"]) == ["1", "2", "4", "8"]


def test_batching_can_be_switched_off(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_BATCHING="off")

    assert [post(service, bright).status_code for _ in range(10)] == [200] * 10
    assert "prediction_batch_limit_pictures 1.0" in service.client.get("/metrics").text
    assert not [line for line in service.lines() if line["event"] == MEASURED]
