"""A bundle in a program: a picture in, its class out, without a service."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import Facts
from tapetum.errors import PictureError
from tapetum.inference.engine import Wanted, open_engine
from tapetum.inference.predictor import Predictor, Result, read

Picture = str | PathLike[str] | bytes  # a file by its path, or the content of one


@dataclass(frozen=True)
class Answer:
    """The class of one picture; `probabilities` are of every class, in the model's order, and add up to 1."""

    label: str
    confidence: float
    probabilities: dict[str, float]


class Classifier:
    """A bundle that is open; `load` opens one. Safe to call from several threads."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @property
    def facts(self) -> Facts:
        """What the bundle says of itself: name, version, labels, scores."""
        return self._predictor.bundle.facts

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the model's order."""
        return self.facts.labels

    def predict(self, picture: Picture) -> Answer:
        """The class of one picture. Raises a PictureError where it cannot be used."""
        result = self._answer(self._predictor.predict([content_of(picture)])[0])
        if isinstance(result, PictureError):
            raise result
        return result

    def predict_many(self, paths: Iterable[str | PathLike[str]]) -> Iterator[Answer | PictureError]:
        """For each file, in order, its class or why it has none; all cores work."""
        if isinstance(paths, str | bytes):
            raise TypeError(f"predict_many takes several paths: expected [{paths[:60]!r}]")
        for result in self._predictor.predict_files(map(Path, paths), machine.cores()):
            yield self._answer(result)

    def _answer(self, result: Result) -> Answer | PictureError:
        if isinstance(result, PictureError):
            return result
        shares = dict(zip(self.labels, result.probabilities.tolist(), strict=True))
        return Answer(result.label, result.confidence, shares)


def load(bundle: str | PathLike[str], engine: str = "openvino", precision: Wanted = "auto") -> Classifier:
    """Open a bundle once its hashes hold.

    `engine` is `openvino`, `onnxruntime` or `torch`; `precision` is `auto`, which
    is the fastest that the bundle was measured in, or one by name. Raises
    BundleError or EngineError.
    """
    opened = bundles.load(Path(bundle))
    return Classifier(Predictor(opened, open_engine(engine, opened, precision, streams=machine.cores())))


def content_of(picture: Picture) -> bytes:
    """The bytes of a picture. Raises BrokenPicture for a file that cannot be read, TypeError for what is neither."""
    if isinstance(picture, bytes):
        return picture
    if not isinstance(picture, str | PathLike):
        raise TypeError(
            f"a picture is given as {type(picture).__name__}: expected the path of a file, or its content as bytes; "
            "pixels of PIL or NumPy are saved first, as PNG, which keeps them"
        )
    return read(Path(picture))
