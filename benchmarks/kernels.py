"""Which resize kernel should new models use? Speed and accuracy of each, on the same photographs.

    python benchmarks/kernels.py --data photos --out runs/kernels

Speed is that of one thread from bytes to the input array, every kernel in turn
in each round. Accuracy is that of SimpleCNN trained from scratch with the
kernel and tested with it, once per seed.
"""

import argparse
import json
import statistics
from pathlib import Path
from time import perf_counter
from typing import get_args

import numpy as np

from tapetum import files, image, pipeline, recipe
from tapetum.data.manifest import Manifest
from tapetum.image import Kernel, Preprocess
from tapetum.progress import silent
from tapetum.training.tracking import NullTracker

KERNELS: tuple[Kernel, ...] = get_args(Kernel)


def speeds(contents: list[bytes], size: int, rounds: int) -> dict[str, list[float]]:
    """Pictures per second by kernel, one figure a round."""
    found: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
    for _ in range(rounds):
        for kernel in KERNELS:
            spec = Preprocess(height=size, width=size, kernel=kernel)
            start = perf_counter()
            for content in contents:
                image.to_array(image.decode(content), spec)
            found[kernel].append(len(contents) / (perf_counter() - start))
    return found


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
    options = parser.parse_args()

    chosen = recipe.load(Path("cats-dogs"))
    manifest, _ = pipeline.divide(options.data, chosen.parts, options.out, silent)
    some = manifest.samples[:: max(1, len(manifest.samples) // 300)]
    contents = [(manifest.root / sample.path).read_bytes() for sample in some]
    figures: dict[str, dict[str, list[float]]] = {"pictures_per_s": speeds(contents, 224, rounds=5), "accuracy": {}}
    for kernel, values in figures["pictures_per_s"].items():
        print(f"{kernel:9} {statistics.median(values):6.0f} pictures/s ({min(values):.0f}-{max(values):.0f})")
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
