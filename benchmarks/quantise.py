"""What each precision gives: accuracy, how far it agrees with fp32, and pictures a second, in every engine.

    python benchmarks/quantise.py runs/pets/bundle-int8 runs/pets/manifest.json

Accuracy and agreement are those of the test part. The speed is one thread's in
calls of one picture without decoding, the engines in turn.
"""

import argparse
from pathlib import Path

import numpy as np

from tapetum import bundle as bundles
from tapetum import image, machine
from tapetum.bundle import Bundle, Precision
from tapetum.data import manifest as manifests
from tapetum.data.scan import read
from tapetum.evaluation.measure import measure
from tapetum.evaluation.report import table
from tapetum.evaluation.speed import throughput
from tapetum.inference.engine import Engine, open_engine
from tapetum.quantised import compare
from tapetum.scores import softmax

HEAD = ("engine, precision", "accuracy", "other labels", "mean shift", "largest shift", "pictures/s")
PICTURES = 64


def main() -> None:
    """Print a row for each engine and precision, the first the one that the others are held against."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("manifest", type=Path)
    options = parser.parse_args()
    bundle, manifest = bundles.load_sealed(options.bundle), manifests.load(options.manifest)
    engines = {f"{engine} {precision}": (engine, precision) for engine, precision in pairs(bundle)}
    samples, spec = manifest.part("test")[:PICTURES], bundle.facts.preprocess
    images = np.stack([image.read(read(manifest.root, sample), spec)[0] for sample in samples])
    opened: dict[str, Engine] = {
        name: open_engine(engine, bundle, precision) for name, (engine, precision) in engines.items()
    }
    speed = throughput(opened, images)
    reference: np.ndarray | None = None
    rows = []
    for name, (engine, precision) in engines.items():
        test = measure(bundle, manifest, "test", engine, precision)
        probabilities = softmax(test.logits, bundle.facts.temperature)
        reference = probabilities if reference is None else reference
        found = compare(reference, probabilities, test.truth, bundle.facts.labels)
        accuracy = float((probabilities.argmax(axis=1) == test.truth).mean())
        shifts = (f"{found.mean_shift:.4f}", f"{found.max_shift:.4f}")
        rows.append([name, f"{accuracy:.2%}", f"{found.changed:.2%}", *shifts, f"{speed[name]:,.0f}"])
    print(f"{len(manifest.part('test'))} test pictures, {machine.processor()}\n\n{table(HEAD, rows)}")


def pairs(bundle: Bundle) -> list[tuple[str, Precision]]:
    """Engines and precisions in which the bundle can be opened here."""
    found: list[tuple[str, Precision]] = [("openvino", "fp32"), ("onnxruntime", "fp32")]
    if machine.has_bf16():
        found.append(("openvino", "bf16"))
    if bundle.facts.quantised:
        found += [("openvino", "int8"), ("onnxruntime", "int8")]
    return found


if __name__ == "__main__":
    main()
