"""How soon drift is noticed, how often clean windows raise an alarm, and how well accuracy is told without labels.

    python benchmarks/drift.py --data cats-dogs --cifar10 cifar10 --out runs/drift

`--data` is a folder of photographs PART/CLASS/picture of cats and dogs. 2,000 of them train a SimpleCNN at 64×64
and the transfer model, 700 are the validation part that the profile is made of, 300 the test part that has its axes,
and the rest, in no manifest, is what windows are drawn from. `--cifar10` is a folder of its pictures with the parts
train and test; windows come from the 10,000 test pictures. A model whose bundle is there is not trained again.

Each picture is computed once for each corruption, in the precision that is served; windows are drawn from the arrays:

- clean windows against the bundle's own profile, drawn with replacement;
- clean windows against profiles anew, each of other pictures, drawn without replacement from validation part and rest
  together;
- windows of growing size for each corruption, to see after how many pictures it is noticed in all of 20 draws;
- estimated and real accuracy, over windows of 1,000.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from corruptions import CORRUPTIONS, Corrupt
from PIL import Image

from tapetum import bundle as bundles
from tapetum import files, image, machine
from tapetum.data import manifest as manifests
from tapetum.image import Read
from tapetum.inference.engine import open_engine
from tapetum.profile import reference
from tapetum.profile.reference import Reference, make, seen_of
from tapetum.profile.sight import look
from tapetum.profile.verdict import Verdict, compare
from tapetum.scores import softmax

TRAIN, VAL, TEST = 1000, 350, 150  # of each class
SIZES = (500, 700, 1000)
WINDOW, DRAWS, CLEAN, ANEW = 1000, 20, 400, 240
VEHICLES = ("airplane", "automobile", "ship", "truck")


@dataclass(frozen=True)
class Looked:
    """Rows of sights without a limit (N, 9 + d), probabilities (N, K) and true classes (N,), -1 where there is none."""

    rows: np.ndarray
    probabilities: np.ndarray
    truth: np.ndarray

    def some(self, chosen: np.ndarray) -> "Looked":
        """These of them."""
        return Looked(self.rows[chosen], self.probabilities[chosen], self.truth[chosen])

    def with_(self, other: "Looked") -> "Looked":
        """Both."""
        return Looked(*(np.concatenate([getattr(part, name) for part in (self, other)]) for name in vars(self)))


class Model:
    """A sealed bundle in the precision that is served, with its profile."""

    def __init__(self, path: Path) -> None:
        bundle = bundles.load_sealed(path)
        found = reference.load(bundle)
        assert found is not None, f"{path} has no profile"
        self.profile, self.bundle, self.labels = found, bundle, bundle.facts.labels
        self._engine = open_engine("openvino", bundle, streams=machine.cores())
        self._axes = replace(found.axes, limit=1.0)

    def look(self, paths: list[Path], change: Corrupt | None = None) -> Looked:
        """What it makes of the pictures, once each is changed."""

        def one(number: int) -> tuple[np.ndarray, np.ndarray, int]:
            path = paths[number]
            picture = image.decode(path.read_bytes())
            if change is not None:
                picture = change(picture, np.random.default_rng(number))
            pixels = image.to_array(picture, self.bundle.facts.preprocess)
            logits, features = self._engine.infer(pixels[None])
            shares = softmax(logits[0], self.bundle.facts.temperature)
            label = path.parent.name
            truth = self.labels.index(label) if label in self.labels else -1
            seen = Read(pixels, picture.size, np.asarray(picture))
            return look(self._axes, seen, features[0]).row, shares, truth

        with ThreadPoolExecutor(machine.cores()) as pool:
            rows, shares, truth = zip(*pool.map(one, range(len(paths))), strict=True)
        return Looked(np.array(rows), np.array(shares), np.array(truth))

    def judge(self, looked: Looked, profile: Reference | None = None) -> Verdict:
        """The verdict on a window."""
        against = profile or self.profile
        rows = looked.rows.copy()
        rows[:, 8] /= against.axes.limit
        return compare(against, seen_of(rows, looked.probabilities), self.labels)

    def anew(self, looked: Looked) -> Reference:
        """A profile of other pictures on the same axes."""
        return make(self._axes, looked.rows, looked.probabilities, looked.truth)


def main() -> None:
    """Measure, print a line each, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs PART/CLASS/picture")
    parser.add_argument("--cifar10", type=Path, required=True, help="folder of its pictures PART/CLASS/picture")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and figures; bundles in it are kept")
    parser.add_argument("--only", choices=("simple", "transfer", "cifar10"), help="one of the models alone")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    photos, rest = _lay_out(options.data.resolve(), options.out / "photos")
    vehicles = [path for name in VEHICLES for path in sorted((options.cifar10 / "test" / name).glob("*"))[:250]]
    small = ("image.height=64", "image.width=64", "train.sizes=[48,64]", "train.epochs=80")
    for name, recipe, choices in (("simple", "cats-dogs", small), ("transfer", "cats-dogs-transfer", ())):
        if options.only in (None, name):
            model = Model(_trained(recipe, photos, options.out / name, choices))
            val = sorted(photos.glob("val/*/*"))
            figures[name] = _figures(name, model, val, rest, vehicles)
    if options.only in (None, "cifar10"):
        run = options.out / "cifar10"
        model = Model(_trained("cifar10", options.cifar10, run, ()))
        manifest = manifests.load(run / "manifest.json")
        val = [manifest.root / sample.path for sample in manifest.part("val")]
        figures["cifar10"] = _figures("cifar10", model, val, sorted(options.cifar10.glob("test/*/*")), [])
    files.write_text(options.out / "drift.json", json.dumps(figures, indent=1) + "\n")


def _lay_out(source: Path, out: Path) -> tuple[Path, list[Path]]:
    """Links PART/CLASS/picture in order of content, and the pictures that are left."""
    rest: list[Path] = []
    for label in ("cat", "dog"):
        found = sorted(source.glob(f"*/{label}/*"), key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
        ends = np.cumsum((0, TRAIN, VAL, TEST))
        for part, start, end in zip(("train", "val", "test"), ends, ends[1:], strict=False):
            folder = out / part / label
            folder.mkdir(parents=True, exist_ok=True)
            for path in found[start:end]:
                link = folder / path.name
                if not link.is_symlink():
                    link.symlink_to(path)
        rest += found[ends[-1] :]
    return out, rest


def _trained(recipe: str, pictures: Path, out: Path, choices: tuple[str, ...]) -> Path:
    if not (out / "bundle").is_dir():
        command = [sys.executable, "-m", "tapetum", "train", recipe, "--data", str(pictures), "--out", str(out)]
        variables = {"TAPETUM_CACHE_DIR": str(out / "cache"), "MLFLOW_TRACKING_URI": "none"}
        subprocess.run([*command, *choices], env=os.environ | machine.environment() | variables, check=True)
    return out / "bundle"


def _figures(name: str, model: Model, val: list[Path], rest: list[Path], vehicles: list[Path]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    clean = model.look(rest)
    own = [model.judge(_drawn(clean, WINDOW, rng, again=True)).grade != "none" for _ in range(CLEAN)]
    print(f"{name}: {len(rest)} pictures for windows, profile of {len(model.profile.seen)}")
    print(f"  clean windows against the bundle's profile: {sum(own)} of {CLEAN} raise an alarm")
    anew = list(_anew(model, model.look(val).with_(clean), rng))
    print(f"  against profiles anew: {sum(anew)} of {len(anew)} ({np.mean(anew):.2%})", flush=True)
    found: dict[str, Any] = {"own": sum(own), "of": CLEAN, "anew": sum(anew), "of_anew": len(anew), "corruptions": {}}
    for kind, looked in _corrupted(model, rest, clean, vehicles):
        entry = found["corruptions"][kind] = _corruption(model, looked, rng)
        print(f"  {kind}: {_told(entry)}", flush=True)
    return found


def _anew(model: Model, pool: Looked, rng: np.random.Generator) -> Iterator[bool]:
    """Whether clean windows raise an alarm, each profile and window of pictures that the other has not."""
    size = len(model.profile.seen)
    seen = 0
    while seen < ANEW:
        order = rng.permutation(len(pool.truth))
        profile = model.anew(pool.some(order[:size]))
        for start in range(size, min(len(order), size + 5 * WINDOW) - WINDOW + 1, WINDOW):
            yield model.judge(pool.some(order[start : start + WINDOW]), profile).grade != "none"
            seen += 1


def _corrupted(model: Model, rest: list[Path], clean: Looked, vehicles: list[Path]) -> Iterator[tuple[str, Looked]]:
    yield "clean", clean
    for kind, change in CORRUPTIONS.items():
        yield kind, model.look(rest, change)
    first = clean.truth == 0
    share = np.where(first, 0.9 / first.mean(), 0.1 / (1 - first.mean()))
    rows = np.random.default_rng(1).choice(len(share), len(share), p=share / share.sum())
    yield "mix 90/10", clean.some(rows)
    if vehicles:
        side = Image.Resampling.BICUBIC
        yield "neither class", model.look(vehicles, lambda picture, rng: picture.resize((400, 400), side))


def _corruption(model: Model, looked: Looked, rng: np.random.Generator) -> dict[str, Any]:
    noticed = {
        size: sum(model.judge(_drawn(looked, size, rng)).grade != "none" for _ in range(DRAWS)) for size in SIZES
    }
    windows = [_drawn(looked, WINDOW, rng) for _ in range(DRAWS)]
    verdicts = [model.judge(window) for window in windows]
    real = [float((window.probabilities.argmax(axis=1) == window.truth).mean()) for window in windows]
    told = [(verdict.accuracy.value, right) for verdict, right in zip(verdicts, real, strict=True) if verdict.accuracy]
    inside = [
        verdict.accuracy.low <= right <= verdict.accuracy.high
        for verdict, right in zip(verdicts, real, strict=True)
        if verdict.accuracy
    ]
    return {
        "noticed": noticed,
        "grades": {grade: sum(verdict.grade == grade for verdict in verdicts) for grade in ("none", "drift", "loss")},
        "real": float(np.mean(real)),
        "told": len(told),
        "estimated": float(np.mean([estimate for estimate, _ in told])) if told else None,
        "error": float(np.mean([estimate - right for estimate, right in told])) if told else None,
        "largest_error": max((abs(estimate - right) for estimate, right in told), default=None),
        "inside": sum(inside),
        "at_most": float(np.mean([verdict.accuracy_at_most for verdict in verdicts])),
        "unlike": float(np.mean([verdict.unlike_share for verdict in verdicts])),
        "drifted": verdicts[0].drifted,
    }


def _told(entry: dict[str, Any]) -> str:
    when = ", ".join(f"{count}/{DRAWS} at {size}" for size, count in entry["noticed"].items())
    told = f"at most {entry['at_most']:.1%}"
    if entry["told"]:
        told = (
            f"estimated {entry['estimated']:.1%} in {entry['told']}/{DRAWS} (error {entry['error']:+.1%}, "
            f"largest {entry['largest_error']:.1%}, in its band {entry['inside']}), else {told}"
        )
    return f"noticed {when}; right {entry['real']:.1%}, {told}; unlike {entry['unlike']:.1%}; {entry['grades']}"


def _drawn(looked: Looked, size: int, rng: np.random.Generator, again: bool = False) -> Looked:
    """A window; with replacement where asked to, or where there are too few."""
    return looked.some(rng.choice(len(looked.truth), size, replace=again or size > len(looked.truth)))


if __name__ == "__main__":
    main()
