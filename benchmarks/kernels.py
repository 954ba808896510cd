"""Measure how fast pictures become pixels, beside Pillow alone, and what each resize kernel is worth.

    python benchmarks/kernels.py --data photos --out runs/kernels

Speed is processor time of one thread from bytes to the input array, every way
in turn in each round: the photographs as they are, and some of them enlarged
to 3 and to 12 megapixels under the grain of a sensor. Pillow alone decodes
whole pictures and resizes them whole, as a model's author does. How far the
pixels are from Pillow's is said in grey levels. Accuracy is that of SimpleCNN
trained from scratch with the kernel and tested with it, once per seed.
"""

import argparse
import io
import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any, get_args

import numpy as np
from PIL import Image

from tapetum import files, image, pipeline, recipe
from tapetum.data.manifest import Manifest
from tapetum.image import Kernel, Preprocess
from tapetum.progress import silent
from tapetum.training.tracking import NullTracker

KERNELS: tuple[Kernel, ...] = get_args(Kernel)
LARGE = {"3 megapixels": (2000, 1500), "12 megapixels": (4000, 3000)}
_SIDE = 224
_COLUMNS = ("kernel", "fit", "Pillow alone, ms", "here, ms", "ratio", "mean gap", "largest gap")


def enlarged(content: bytes, size: tuple[int, int], rng: np.random.Generator) -> bytes:
    """A photograph as a larger sensor would have taken it: enlarged, under fresh grain."""
    picture = image.decode(content).resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.float32) + rng.normal(0, 6, (*size[::-1], 1)) + rng.normal(0, 3, (*size[::-1], 3))
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def by_pillow(content: bytes, spec: Preprocess) -> np.ndarray:
    """The input array as Pillow alone makes it of an upright JPEG."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    resample = Image.Resampling[spec.kernel.upper()]
    if spec.fit == "squash":
        return np.asarray(picture.resize((spec.width, spec.height), resample))
    shorter = int(spec.width / spec.crop_share) / min(picture.size)
    width, height = (int(side * shorter + 1e-6) for side in picture.size)
    left, top = round((width - spec.width) / 2), round((height - spec.height) / 2)
    return np.asarray(picture.resize((width, height), resample).crop((left, top, left + spec.width, top + spec.height)))


def milliseconds(
    ways: Mapping[str, Callable[[bytes], object]], contents: list[bytes], rounds: int
) -> dict[str, list[float]]:
    """Processor time of one thread for a picture by way, one figure a round, after a round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = thread_time()
            for content in contents:
                way(content)
            found[name].append((thread_time() - start) * 1000 / len(contents))
    return {name: values[1:] for name, values in found.items()}


def compare(contents: list[bytes], rounds: int) -> list[dict[str, Any]]:
    """Both ways for every kernel and fit: times by round, and the gap between their pixels."""
    rows = []
    for kernel in KERNELS:
        for fit, share in (("squash", 1.0), ("crop", 0.875)):
            spec = Preprocess(height=_SIDE, width=_SIDE, fit=fit, crop_share=share, kernel=kernel)
            ways: dict[str, Callable[[bytes], object]] = {
                "pillow_ms": partial(by_pillow, spec=spec),
                "here_ms": partial(image.read, spec=spec),
            }
            gaps = [np.abs(image.read(one, spec)[0].astype(int) - by_pillow(one, spec)) for one in contents]
            rows.append(
                {"kernel": kernel, "fit": fit}
                | milliseconds(ways, contents, rounds)
                | {"mean_gap": float(np.mean([gap.mean() for gap in gaps]))}
                | {"largest_gap": int(max(gap.max() for gap in gaps))}
            )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown: medians, with minimum and maximum in brackets."""

    def time(values: list[float]) -> str:
        return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"

    lines = [_COLUMNS, tuple("---" for _ in _COLUMNS)]
    for row in rows:
        ratio = statistics.median(row["pillow_ms"]) / statistics.median(row["here_ms"])
        times = (time(row["pillow_ms"]), time(row["here_ms"]), f"{ratio:.1f}")
        lines.append((row["kernel"], row["fit"], *times, f"{row['mean_gap']:.3f}", str(row["largest_gap"])))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def accuracy(manifest: Manifest, kernel: str, size: int, epochs: int, seed: int, out: Path) -> float:
    """Test accuracy in fp32 of one model."""
    overrides = [
        f"image={{height: {size}, width: {size}, kernel: {kernel}}}",
        f"train.epochs={epochs}",
        f"train.seed={seed}",
        "gate.class_recall=0",
    ]
    chosen = recipe.load(Path("cats-dogs"), overrides)
    outcome = pipeline.train(chosen, manifest, out, out / "cache", NullTracker(), lambda result: None, silent)
    return outcome.bundle.facts.scores["fp32"].accuracy.value


def main() -> None:
    """Measure, print a table, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder for models and figures")
    parser.add_argument("--train", nargs="*", default=["box", "bilinear", "bicubic"], choices=KERNELS)
    parser.add_argument("--size", type=int, default=96, help="side of the trained models' input")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    chosen = recipe.load(Path("cats-dogs"))
    manifest, _ = pipeline.divide(options.data, chosen.parts, options.out, silent)
    some = manifest.samples[:: max(1, len(manifest.samples) // 100)]
    contents = [(manifest.root / sample.path).read_bytes() for sample in some]
    rng = np.random.default_rng(0)
    sizes = {"as they are": contents} | {
        name: [enlarged(content, size, rng) for content in contents[:4]] for name, size in LARGE.items()
    }
    figures: dict[str, Any] = {"times": {}, "accuracy": {}}
    for name, some_of_a_size in sizes.items():
        figures["times"][name] = compare(some_of_a_size, options.rounds)
        print(
            f"{name}, {len(some_of_a_size)} pictures, n = {options.rounds}\n\n{table(figures['times'][name])}\n",
            flush=True,
        )
    for kernel in options.train:
        found = [
            accuracy(manifest, kernel, options.size, options.epochs, seed, options.out) for seed in range(options.seeds)
        ]
        figures["accuracy"][kernel] = found
        print(
            f"{kernel:9} accuracy {np.mean(found):.4f} ({min(found):.4f}-{max(found):.4f}, n={len(found)})", flush=True
        )
    files.write_text(options.out / "figures.json", json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
