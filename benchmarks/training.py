"""How fast is training beside the plain way, and what accuracy does each reach? In turn, n rounds.

    python benchmarks/training.py --data photos --out runs/training

The plain way is what most would write: a DataLoader with two workers that
decodes, resizes and changes each picture with Pillow and torchvision, and an
fp32 loop. Both train SimpleCNN at 224×224 from scratch with the same
optimiser, schedule and number of pictures, each in a process of its own, in
turn; a round gives one figure of each. Decoding once to the cache is counted, as is validation after each epoch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from tapetum import files, machine, recipe
from tapetum.data import manifest as manifests
from tapetum.data.manifest import Manifest
from tapetum.data.scan import scan
from tapetum.recipe import Recipe

BATCH, LR, SIZE = 32, 0.001, 224


def main() -> None:
    """Run both ways in turn, print a table, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of labelled photographs, train and test")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=["plain", "tapetum"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = options.out / "manifest.json"
    if options.way:
        train = _plain if options.way == "plain" else _tapetum
        print(json.dumps(train(manifests.load(path), options.epochs, options.seed, options.out)))
        return
    manifests.save(manifests.build(scan(options.data), recipe.Parts()), path)
    figures: dict[str, list[dict[str, float]]] = {"plain": [], "tapetum": []}
    for seed in range(options.rounds):
        for way, found in figures.items():
            arguments = ["--out", str(options.out), "--epochs", str(options.epochs), "--seed", str(seed), "--way", way]
            found.append(_run(arguments, machine.environment() | (machine.KEEP if way == "tapetum" else {})))
            print(f"round {seed + 1}  {way:8} {found[-1]}", flush=True)
    for way, found in figures.items():
        speeds = sorted(entry["pictures_per_s"] for entry in found)
        accuracies = [entry["accuracy"] for entry in found]
        print(
            f"{way:8}  {statistics.median(speeds):6.1f} pictures/s [{speeds[0]:.1f}, {speeds[-1]:.1f}]  "
            f"test accuracy {statistics.mean(accuracies):.3f} {accuracies}"
        )
    pairs = zip(figures["tapetum"], figures["plain"], strict=True)
    ratios = sorted(ours["pictures_per_s"] / plain["pictures_per_s"] for ours, plain in pairs)
    print(f"ratio     {statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}], n = {options.rounds}")
    files.write_text(options.out / "training.json", json.dumps(figures, indent=1) + "\n")


def _run(arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    ran = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _plain(manifest: Manifest, epochs: int, seed: int, out: Path) -> dict[str, float]:
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from tapetum.training.learner import lr_factor

    class Photographs(Dataset[tuple[torch.Tensor, int]]):
        def __init__(self, part: str, changes: list[object]) -> None:
            self.samples = [sample for sample in manifest.samples if sample.part == part]
            last = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
            self.transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), *changes, *last])

        def __len__(self) -> int:
            return len(self.samples)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            sample = self.samples[row]
            picture = Image.open(manifest.root / sample.path).convert("RGB")
            return self.transform(picture), manifest.labels.index(sample.label)

    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5)]
    network = nn.Sequential(*layers, *head, nn.Linear(128, len(manifest.labels)))
    changes = [
        transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(10),
        transforms.ColorJitter(brightness=0.2, contrast=0.2),
    ]
    train = Photographs("train", changes)
    batches = DataLoader(train, BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
    optimiser = torch.optim.AdamW(network.parameters(), LR)
    steps = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: lr_factor(step, steps, 0.1))
    start = perf_counter()
    for _ in range(epochs):
        for images, labels in batches:
            loss = nn.functional.cross_entropy(network(images), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
            optimiser.step()
            schedule.step()
    seconds = perf_counter() - start
    network.eval()
    hits = []
    with torch.inference_mode():
        for images, labels in DataLoader(Photographs("test", []), BATCH, num_workers=2):
            hits.append((network(images).argmax(1) == labels).numpy())
    return {
        "pictures_per_s": round(steps * BATCH / seconds, 2),
        "accuracy": round(float(np.concatenate(hits).mean()), 4),
    }


def _tapetum(manifest: Manifest, epochs: int, seed: int, out: Path) -> dict[str, float]:
    import shutil

    import numpy as np

    from tapetum.evaluation.measure import measure
    from tapetum.progress import silent
    from tapetum.training import run
    from tapetum.training.export import export
    from tapetum.training.tracking import NullRun

    chosen: Recipe = recipe.build(
        {
            "name": "training",
            "title": "Training",
            "image": {"height": SIZE, "width": SIZE},
            "augment": {"flip": True, "rotation_deg": 10, "brightness": 0.2, "contrast": 0.2},
            "train": {"epochs": epochs, "batch_size": BATCH, "lr": LR, "seed": seed},
        }
    )
    shutil.rmtree(out / "cache", ignore_errors=True)
    (out / run.CHECKPOINT).unlink(missing_ok=True)
    start = perf_counter()
    trained = run.train(chosen, manifest, out, out / "cache", NullRun(), lambda result: None, silent)
    seconds = perf_counter() - start
    measured = measure(export(trained.network, chosen, manifest, out / "draft"), manifest, "test", "openvino", "fp32")
    return {
        "pictures_per_s": round(epochs * len(manifest.part("train")) / seconds, 2),
        "accuracy": round(float(np.mean(measured.logits.argmax(1) == measured.truth)), 4),
    }


if __name__ == "__main__":
    main()
