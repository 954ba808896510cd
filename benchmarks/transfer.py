"""How good is a new last layer on a model that knows ImageNet, and how soon is it there? Both, and with few pictures.

    python benchmarks/transfer.py --data photos --out runs/transfer --rounds 3
    python benchmarks/transfer.py --data photos --cifar10 cifar10.tar.gz --out runs/transfer

Times are those of the whole process `tapetum train cats-dogs-transfer`, from
its start to the sealed bundle in MLflow: from JPEG files, where nothing is
kept and the folder is checked; from the decoded cache, where the manifest and
the pixels are there; and once more, where the features are there. Accuracies
are those of the test part, which nothing learned from or was chosen by.

With few photographs a class: so many are drawn from the training photographs,
and nothing else is known but the test part, over which each draw is scored.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from tapetum import bundle as bundles
from tapetum import files, machine, recipe
from tapetum.data import cache
from tapetum.data import manifest as manifests
from tapetum.training import features
from tapetum.training.head import Loss, Seen, learn

RECIPE = "cats-dogs-transfer"
DRAWS, FEW = 10, (20, 5)
CIFAR10 = ("name=cifar10-transfer", "title=CIFAR-10", "gate.accuracy=0.5", "gate.class_recall=0")


def main() -> None:
    """Measure, print a line each, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs in the parts train and test")
    parser.add_argument("--cifar10", type=Path, help="folder or archive of its pictures in the parts train and test")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and figures; what it holds is deleted")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        out = options.out / str(number)
        kept = out / "cache"
        _timed("from JPEG files", options.data, out, kept, found)
        for file in kept.iterdir():
            file.unlink()
        manifest = manifests.load(out / "manifest.json")
        cache.build(manifest, recipe.load(Path(RECIPE)).image, kept)
        _timed("from the decoded cache", out / "manifest.json", out, kept, found)
        _timed("from kept features", out / "manifest.json", out, kept, found)
    for name, runs in found.items():
        seconds, accuracies = ([run[key] for run in runs] for key in ("seconds", "accuracy"))
        print(
            f"{name}: {statistics.median(seconds):.1f} s ({min(seconds):.1f}–{max(seconds):.1f}), "
            f"accuracy {statistics.median(accuracies):.2%}, n = {len(runs)}"
        )
    few = _few(options.out / "0")
    if options.cifar10:
        out = options.out / "cifar10"
        _timed("CIFAR-10", options.cifar10, out, out / "cache", found, *CIFAR10)
    files.write_text(options.out / "transfer.json", json.dumps({"whole": found, "few": few}, indent=1) + "\n")


def _timed(
    name: str, pictures: Path, out: Path, kept: Path, found: dict[str, list[dict[str, float]]], *choices: str
) -> None:
    """One process of `tapetum train`, with a database of MLflow of its own."""
    command = [sys.executable, "-m", "tapetum", "train", RECIPE, "--data", str(pictures), "--out", str(out), *choices]
    variables = {"TAPETUM_CACHE_DIR": str(kept), "MLFLOW_TRACKING_URI": f"sqlite:///{out}/mlruns/mlflow.db"}
    start = perf_counter()
    subprocess.run(command, env=os.environ | machine.environment() | variables, check=True, stdout=subprocess.PIPE)
    seconds = perf_counter() - start
    scores = bundles.load(out / "bundle").facts.scores
    figures = {f"accuracy_{precision}": entry.accuracy.value for precision, entry in scores.items()}
    figures |= {"seconds": round(seconds, 2), "accuracy": figures["accuracy_fp32"]}
    found.setdefault(name, []).append(figures)
    print(
        f"{name}: {seconds:.1f} s, " + ", ".join(f"{p} {e.accuracy.value:.2%}" for p, e in scores.items()), flush=True
    )


def _few(out: Path) -> dict[int, Any]:
    """Accuracies of each draw, by photographs a class; the features of all are kept since the runs before."""
    manifest = manifests.load(out / "manifest.json")
    test = manifest.part("test")
    known = [sample for sample in manifest.samples if sample.part != "test"]
    seen = features.of_recipe(recipe.load(Path(RECIPE)), manifest, [*known, *test], out / "cache")
    inputs = torch.from_numpy(seen)
    labels = torch.tensor([manifest.labels.index(sample.label) for sample in [*known, *test]])
    held_out = Seen(inputs[len(known) :], labels[len(known) :])
    none = Seen(inputs[:0], labels[:0])
    found: dict[int, Any] = {}
    for count in FEW:
        accuracies = []
        for seed in range(DRAWS):
            order = torch.from_numpy(np.random.default_rng(seed).permutation(len(known)))
            rows = torch.cat([order[labels[order] == label][:count] for label in range(len(manifest.labels))])
            head = learn(Seen(inputs[rows], labels[rows]), none, len(manifest.labels), Loss())
            right = head.logits(held_out.inputs).argmax(dim=1) == held_out.labels
            accuracies.append(float(right.float().mean()))
        found[count] = accuracies
        print(
            f"{count} a class: {statistics.mean(accuracies):.2%} ± {statistics.stdev(accuracies):.2%} "
            f"({min(accuracies):.1%}–{max(accuracies):.1%}), n = {DRAWS} draws",
            flush=True,
        )
    return found


if __name__ == "__main__":
    main()
