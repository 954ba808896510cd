"""A worker: a process that opens a bundle, proves it on the golden pictures, then answers what it is given.

It is started by the front with a connected socket, and lives as long as that.
"""

import ctypes
import faulthandler
import math
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tapetum import bundle as bundles
from tapetum.bundle import Precision
from tapetum.errors import DeadlinePassed, EngineError, PictureError, TapetumError
from tapetum.inference import golden, timing, wire
from tapetum.inference.engine import Device, Wanted, open_engine
from tapetum.inference.predictor import Picture, Predictor, bytes_of
from tapetum.inference.showing import Answer, Question, show
from tapetum.profile import reference

_PR_SET_PDEATHSIG = 1

Said = Answer | EngineError | DeadlinePassed  # EngineError, with the traceback, is what nobody foresaw


@dataclass(frozen=True)
class Plan:
    """What a worker shall compute with."""

    bundle: Path
    engine: str
    precision: Wanted
    max_pixels: int
    device: Device = "auto"

    def to_facts(self) -> dict[str, Any]:
        """The plan as the facts of a frame."""
        return asdict(self) | {"bundle": str(self.bundle)}

    @staticmethod
    def from_facts(facts: dict[str, Any]) -> "Plan":
        """The plan of which `to_facts` told."""
        return Plan(**facts | {"bundle": Path(facts["bundle"])})


@dataclass(frozen=True)
class Opened:
    """What a worker says once its golden pictures hold; `digest` is that of its bundle."""

    digest: str
    device: str
    precision: Precision


def open_predictor(plan: Plan) -> tuple[Predictor, Opened]:
    """Verify hashes, open the engine for one thread, check the golden pictures. Raises a TapetumError."""
    bundle = bundles.load_sealed(plan.bundle)
    engine = open_engine(plan.engine, bundle, plan.precision, device=plan.device)
    golden.check(bundle, engine)
    profile = reference.load(bundle)
    predictor = Predictor(bundle, engine, plan.max_pixels, profile.axes if profile else None)
    return predictor, Opened(bundles.digest(bundle), engine.device, engine.precision)


def answers(predictor: Predictor, pictures: Sequence[Picture], question: Question | None) -> list[Said]:
    """What the model says of each picture, in order, or, of the bytes of a file, why."""
    if len(pictures) > 1:
        # What nobody foresaw may be one picture's fault: each by itself, it costs that one.
        with suppress(Exception):
            return list(predictor.predict(pictures))
    return [_answer(predictor, picture, question) for picture in pictures]


def _answer(predictor: Predictor, content: Picture, question: Question | None) -> Said:
    try:
        if question is None:
            return predictor.predict([content])[0]
        assert isinstance(content, bytes), "nobody asks why of bare pixels"
        return show(predictor, content, question)
    except (PictureError, DeadlinePassed) as error:
        return error
    except Exception:  # the top of a supervised loop: the front logs and counts it
        return EngineError(f"a picture of {len(bytes_of(content))} bytes failed:\n{traceback.format_exc()}")


def call_s(predictor: Predictor, pictures: int) -> float:
    """Seconds of a call of the engine with so many pictures; without end where that fails."""
    try:
        return timing.call_s(predictor.engine, predictor.bundle.facts.preprocess, pictures)
    except Exception:  # the top of a supervised loop: such a call never pays
        traceback.print_exc()  # which the front logs
        return math.inf


def respond(predictor: Predictor, asked: wire.Frame) -> bytes:
    """The frames that answer a frame."""
    if "time" in asked.facts:
        return wire.head({"call_s": call_s(predictor, asked.facts["time"])}, 0)
    return b"".join(wire.from_answer(said) for said in answers(predictor, *wire.to_pictures(asked)))


def main() -> None:
    """Serve the front: `python -m tapetum.inference.worker SOCKET`, on which a plan comes first."""
    # Whoever stops the service stops the front, which decides when its workers are done.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _end_with_the_front()
    faulthandler.enable()  # should a decoder crash, the front logs where
    with (
        socket.socket(fileno=int(sys.argv[1])) as front,
        front.makefile("rb") as stream,
        suppress(BrokenPipeError, ConnectionResetError),
    ):
        if (planned := wire.read(stream)) is None:
            return
        try:
            predictor, opened = open_predictor(Plan.from_facts(planned.facts))
        except Exception as error:  # the top of the process: the front ends, or starts another, and says why
            known = error if isinstance(error, TapetumError) else EngineError(f"the bundle cannot be opened: {error!r}")
            if known is not error:
                traceback.print_exc()  # which the front logs
            front.sendall(wire.head(wire.from_error(known), 0))
            return
        front.sendall(wire.head(asdict(opened), 0))
        while asked := wire.read(stream):
            front.sendall(respond(predictor, asked))


def _end_with_the_front() -> None:
    """Die when the front dies, even while computing; elsewhere than on Linux, at the next picture."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
