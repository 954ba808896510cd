"""How good is a recipe's model, and how long does it take? From pictures to a sealed bundle, in a process of its own.

    python benchmarks/accuracy.py cats-dogs --data photos --out runs/accuracy
    python benchmarks/accuracy.py cifar10 --data cifar10 --out runs/accuracy model.architecture=resnet50

The time is that of `tapetum train`: checking, decoding, training, evaluation
and the gate. The accuracy is that of the test part, which training never saw.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from tapetum import bundle as bundles
from tapetum import files, machine


def main() -> None:
    """Train once a seed, print a line each, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and figures; what it holds is deleted")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    found = []
    for seed in options.seeds:
        out = options.out / str(seed)
        command = [sys.executable, "-m", "tapetum", "train", options.recipe, "--data", str(options.data)]
        choices = [*options.overrides, f"train.seed={seed}"]
        environment = machine.environment() | {"TAPETUM_CACHE_DIR": str(out / "cache")}
        start = perf_counter()
        subprocess.run([*command, "--out", str(out), *choices], env=os.environ | environment, check=True)
        seconds = perf_counter() - start
        facts = bundles.load(out / "bundle").facts
        scores = {name: entry.accuracy for name, entry in facts.scores.items()}
        for name, accuracy in scores.items():
            print(
                f"{options.recipe} seed {seed}: {seconds / 60:.1f} min, {name} {accuracy.value:.2%} "
                f"[{accuracy.low:.2%}, {accuracy.high:.2%}], parity {facts.parity:.1e}",
                flush=True,
            )
        found.append(
            {
                "seed": seed,
                "seconds": round(seconds, 1),
                "parity": facts.parity,
                "accuracy": {name: accuracy.value for name, accuracy in scores.items()},
            }
        )
    files.write_text(options.out / "accuracy.json", json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
