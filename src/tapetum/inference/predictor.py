"""From bytes of pictures to predictions: the one path of evaluation, service and command line."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from tapetum import image
from tapetum.bundle import Bundle
from tapetum.containers import DEFAULT_MAX_PIXELS
from tapetum.errors import BrokenPicture, PictureError
from tapetum.image import Read
from tapetum.inference.engine import Engine, Outputs
from tapetum.profile import sight
from tapetum.profile.axes import Axes
from tapetum.profile.sight import Sight
from tapetum.scores import softmax

if TYPE_CHECKING:
    from tapetum.inference.cut import Cut


@dataclass(frozen=True)
class Prediction:
    """What the model says of a picture of `width` × `height`: `probabilities` (K,), of the label `confidence`.

    That exceeds the next by `margin`. `inference_s` is that of the call of the engine, whatever else was in it.
    `sight` is how the bundle's profile sees it; None where there is no profile. `outputs` are the engine's, (K,) and
    (C,); None where they stayed in another process.
    """

    label: str
    width: int
    height: int
    confidence: float
    margin: float
    decode_s: float
    inference_s: float
    probabilities: np.ndarray
    sight: Sight | None = None
    outputs: Outputs | None = None


Picture = bytes | np.ndarray  # those of a file, or uint8 (H, W, 3) as `image.read` makes them
Result = Prediction | PictureError


def bytes_of(picture: Picture) -> memoryview:
    """The bytes of a picture, where they lie."""
    return memoryview(picture) if isinstance(picture, bytes) else picture.data.cast("B")


def read(path: Path) -> bytes:
    """The content of a picture file. Raises BrokenPicture where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a zero byte in the name
        raise BrokenPicture(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None


class Predictor:
    """A bundle on an engine; safe to call from as many threads as the engine has streams.

    With the axes of a profile it looks at each picture as that does.
    """

    def __init__(
        self, bundle: Bundle, engine: Engine, max_pixels: int = DEFAULT_MAX_PIXELS, axes: Axes | None = None
    ) -> None:
        self.bundle = bundle
        self.engine = engine
        self.max_pixels = max_pixels
        self.axes = axes

    @cached_property
    def cut(self) -> "Cut | None":
        """The graph cut open for heat maps, compiled when first asked for; None where there is no feature map."""
        from tapetum.inference.cut import open_cut  # OpenVINO, which another engine starts without

        return open_cut(self.bundle)

    def predict(self, pictures: Sequence[Picture | Read]) -> list[Result]:
        """One result for each picture, in order: a bad picture costs its neighbours nothing."""
        results: dict[int, Result] = {}
        seen: dict[int, Read] = {}
        decode_s: dict[int, float] = {}
        for row, content in enumerate(pictures):
            start = perf_counter()
            try:
                seen[row] = self.read(content)
            except PictureError as error:
                results[row] = error
            decode_s[row] = perf_counter() - start
        if seen:
            start = perf_counter()
            outputs = self.engine.infer(np.stack([one.pixels for one in seen.values()]))
            inference_s = perf_counter() - start
            probabilities = softmax(outputs.logits, self.bundle.facts.temperature)
            ranked = np.sort(probabilities)
            confidences = ranked[:, -1]
            margins = confidences - ranked[:, -2] if ranked.shape[1] > 1 else confidences
            for place, row in enumerate(seen):
                output = Outputs(outputs.logits[place], outputs.features[place])
                width, height = seen[row].size
                results[row] = Prediction(
                    label=self.bundle.facts.labels[probabilities[place].argmax()],
                    width=width,
                    height=height,
                    confidence=float(confidences[place]),
                    margin=float(margins[place]),
                    decode_s=decode_s[row],
                    inference_s=inference_s,
                    probabilities=probabilities[place],
                    sight=None if self.axes is None else sight.look(self.axes, seen[row], output.features),
                    outputs=output,
                )
        return [results[row] for row in range(len(pictures))]

    def read(self, picture: Picture | Read) -> Read:
        """The network's input for a picture, which may be one already. Raises a PictureError."""
        spec = self.bundle.facts.preprocess
        if isinstance(picture, Read):
            return picture
        if isinstance(picture, bytes):
            return image.read(picture, spec, self.max_pixels)
        if picture.shape != (spec.height, spec.width, 3):
            raise BrokenPicture(
                f"the pixels are {picture.shape}: the model takes {(spec.height, spec.width, 3)}; ask for its metadata"
            )
        return Read(picture, (spec.width, spec.height))

    def predict_files(self, paths: Iterable[Path], threads: int) -> Iterator[Result]:
        """One result for each file, in order; a file that cannot be read is a BrokenPicture."""

        def predict_file(path: Path) -> Result:
            try:
                return self.predict([read(path)])[0]
            except BrokenPicture as error:
                return error

        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(predict_file, paths)
