"""Do heat maps show what the model goes by? Hide what they point at, and see what is left of the answer.

    python benchmarks/heatmaps.py runs/cats-dogs/bundle photos

Of every picture of the test part that the folder brings, the hottest 20 % of
the model's input is hidden, and against that, DRAWS times, another 20 %:

- `same shape`: the same mask, mirrored or not, at a random place (what leaves
  at one side enters at the other), so as contiguous as the map's own;
- `blocks`: squares of a 10×10 grid, drawn at random.

Hidden is what has the picture's mean colour, or what is blurred (Gaussian,
a sixteenth of the side). A map is right about a picture where the probability
of the class that was predicted falls by more than it does on average over the
draws. This is the deletion of Petsiuk et al. 2018 (RISE) at one size.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from tapetum import bundle as bundles
from tapetum import files, image
from tapetum.data import layouts
from tapetum.inference.engine import ENGINES, open_engine
from tapetum.inference.explain import explain
from tapetum.inference.predictor import Predictor
from tapetum.scores import softmax

HIDDEN, DRAWS, BLOCKS = 0.2, 5, 10


class Falls(NamedTuple):
    """By how much a probability fell: for the map's mask, and for each draw (DRAWS,)."""

    own: float
    drawn: np.ndarray


def hottest(heat: np.ndarray) -> np.ndarray:
    """The mask of the hottest HIDDEN of all pixels: bool, as the heat (H, W)."""
    ranked = np.argsort(-heat, axis=None, kind="stable")
    mask = np.zeros(heat.size, bool)
    mask[ranked[: round(HIDDEN * heat.size)]] = True
    return mask.reshape(heat.shape)


def same_shape(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask mirrored or not, somewhere else."""
    mirrored = mask[:: rng.choice([1, -1]), :: rng.choice([1, -1])]
    return np.roll(mirrored, rng.integers(0, mask.shape), axis=(0, 1))


def blocks(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask of HIDDEN of the squares of a BLOCKS×BLOCKS grid."""
    chosen = np.zeros(BLOCKS * BLOCKS, bool)
    chosen[rng.permutation(chosen.size)[: round(HIDDEN * chosen.size)]] = True
    rows, columns = (np.arange(side) * BLOCKS // side for side in mask.shape)
    return np.asarray(chosen.reshape(BLOCKS, BLOCKS)[rows[:, None], columns])


DRAWN: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "same shape": same_shape,
    "blocks": blocks,
}


def mean_colour(array: np.ndarray) -> np.ndarray:
    """The picture's mean colour, all over."""
    return np.broadcast_to(array.mean(axis=(0, 1)).round().astype(np.uint8), array.shape)


def blurred(array: np.ndarray) -> np.ndarray:
    """The picture without its details."""
    return np.asarray(Image.fromarray(array).filter(ImageFilter.GaussianBlur(min(array.shape[:2]) / 16)))


FILLS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"mean colour": mean_colour, "blur": blurred}


def main() -> None:
    """Measure, print a line for each way of hiding and drawing, and write all of it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder with a test part")
    parser.add_argument("--engine", choices=list(ENGINES), default="openvino")
    parser.add_argument("--most", type=int, help="pictures to take, evenly spread; all without it")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    options = parser.parse_args()
    bundle = bundles.load(options.bundle)
    predictor = Predictor(bundle, open_engine(options.engine, bundle))
    tested = [sample for sample in layouts.find(options.data) if sample.part == "test"]
    if options.most is not None:
        tested = tested[:: max(1, len(tested) // options.most)][: options.most]
    root, rng = layouts.base(options.data), np.random.default_rng(0)
    found: dict[tuple[str, str], list[Falls]] = {(fill, drawn): [] for fill in FILLS for drawn in DRAWN}
    times: list[float] = []
    methods = set()

    def probability(array: np.ndarray, label: str) -> float:
        logits = predictor.engine.infer(array[None]).logits
        return float(softmax(logits, bundle.facts.temperature)[0, bundle.facts.labels.index(label)])

    for sample in tested:
        picture = image.decode((root / sample.path).read_bytes())
        array = image.to_array(picture, bundle.facts.preprocess)
        start = perf_counter()
        why = explain(predictor, picture)
        times.append(perf_counter() - start)
        methods.add(why.method)
        heat = Image.fromarray(why.heat).resize(array.shape[1::-1], Image.Resampling.BILINEAR)
        whole, own = probability(array, why.label), hottest(np.asarray(heat))
        for fill, paint in FILLS.items():
            ground = paint(array)

            def fall(mask: np.ndarray) -> float:
                # What it takes from the loop is right, since it is called in this turn of it and kept by nobody.
                hidden = np.where(mask[:, :, None], ground, array)  # noqa: B023 - see above
                return whole - probability(hidden, why.label)  # noqa: B023 - see above

            for drawn, draw in DRAWN.items():
                others = np.array([fall(draw(own, rng)) for _ in range(DRAWS)])
                found[fill, drawn].append(Falls(fall(own), others))
    figures = [figure(fill, drawn, falls) for (fill, drawn), falls in found.items()]
    print(
        f"{bundle.facts.architecture} at {bundle.facts.preprocess.width}×{bundle.facts.preprocess.height}, "
        f"{predictor.engine.name} in {predictor.engine.precision}, {', '.join(sorted(methods))}, "
        f"{len(tested)} pictures, {1000 * np.median(times):.1f} ms a map"
    )
    for entry in figures:
        print(
            f"{entry['hidden by']:<12} against {entry['against']:<10}: right about {entry['right']:.1%} of pictures, "
            f"{entry['right of pairs']:.1%} of pairs; probability falls by {entry['fall']:.3f}, "
            f"drawn {entry['drawn fall']:.3f}"
        )
    if options.out is not None:
        files.write_text(options.out, json.dumps(figures, indent=1) + "\n")


def figure(fill: str, drawn: str, falls: list[Falls]) -> dict[str, str | float]:
    """What all pictures together say."""
    own, others = np.array([fall.own for fall in falls]), np.array([fall.drawn for fall in falls])
    return {
        "hidden by": fill,
        "against": drawn,
        "right": float((own > others.mean(axis=1)).mean()),
        "right of pairs": float((own[:, None] > others).mean()),
        "fall": float(own.mean()),
        "drawn fall": float(others.mean()),
    }


if __name__ == "__main__":
    main()
