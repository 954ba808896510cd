"""How many wrong labels `tapetum data check --labels` finds, and how many of those it names are wrong.

    python benchmarks/labels.py photos/train --out runs/labels

Of a folder of photographs 2 % of the labels are exchanged for another class, drawn anew in each round. Some of the
folder's own labels may be wrong too: what is found beyond the planted ones counts against the precision all the same,
and is listed once, as it is found before anything is planted.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from tapetum import files, pipeline
from tapetum.data.confident import doubt
from tapetum.data.scan import Scan, scan

SHOWN = 30


def plant(scanned: Scan, share: float, rng: np.random.Generator) -> tuple[Scan, dict[str, str]]:
    """The same scan with wrong labels, and the true ones by path."""
    chosen = rng.choice(len(scanned.samples), round(share * len(scanned.samples)), replace=False)
    samples, planted = list(scanned.samples), {}
    for row in chosen:
        sample = samples[row]
        planted[sample.path] = sample.label
        others = [label for label in scanned.labels if label != sample.label]
        samples[row] = replace(sample, label=str(rng.choice(others)))
    return replace(scanned, samples=samples), planted


def found(scanned: Scan, seen: np.ndarray, share: float, seed: int) -> dict[str, float]:
    """Figures of one round; `seen` are the (N, C) features."""
    wrong, planted = plant(scanned, share, np.random.default_rng(seed))
    start = perf_counter()
    suspects = doubt(wrong, seen).suspects
    seconds = perf_counter() - start
    hits = [suspect for suspect in suspects if suspect.path in planted]
    first = [suspect.path in planted for suspect in suspects[: len(planted)]]
    return {
        "seed": seed,
        "planted": len(planted),
        "doubted": len(suspects),
        "recall": len(hits) / len(planted),
        "precision": len(hits) / max(1, len(suspects)),
        "precision_of_as_many_as_planted": float(np.mean(first)) if first else 0.0,
        "right_suggestion": float(np.mean([suspect.suggested == planted[suspect.path] for suspect in hits])),
        "seconds": seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder CLASS/picture")
    parser.add_argument("--out", type=Path, required=True, help="folder for features and figures")
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    start = perf_counter()
    scanned = scan(options.pictures)
    scanned_s = perf_counter() - start
    start = perf_counter()
    seen = pipeline.seen(scanned, options.out)
    features_s = perf_counter() - start
    untouched = doubt(scanned, seen)
    rounds = [found(scanned, seen, options.share, seed) for seed in range(options.rounds)]
    figures = {
        "pictures": len(scanned.samples),
        "classes": len(scanned.labels),
        "scan_s": scanned_s,
        "features_s": features_s,
        "confirmed": untouched.confirmed / untouched.judged,
        "doubted_unplanted": len(untouched.suspects),
        "recall": float(np.mean([entry["recall"] for entry in rounds])),
        "precision": float(np.mean([entry["precision"] for entry in rounds])),
        "rounds": rounds,
        "first_unplanted": [
            f"{suspect.path} {suspect.suggested} {suspect.score:.3f}" for suspect in untouched.suspects[:SHOWN]
        ],
    }
    print(json.dumps(figures, indent=1))
    files.write_text(options.out / "figures.json", json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
