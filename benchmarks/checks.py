"""How well and how fast does `tapetum data check` find what is wrong? On a planted set, and beside the plain way.

    python benchmarks/checks.py photos --out runs/checks

Of 400 photographs each gets one fault: truncated, renamed, recompressed at
quality 30, resized, mirrored or cropped by 5 %; copies go to the same class,
to another class or to another part. The plain way is what one would write in
an afternoon: decode, hash the bytes, compare 8×8 average hashes pair by pair.
"""

import argparse
import hashlib
import io
import json
import random
import resource
import shutil
import statistics
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image, ImageOps

from tapetum import files, recipe
from tapetum.data import cache, manifest, near
from tapetum.data.checks import check
from tapetum.data.scan import scan
from tapetum.image import Preprocess

FAULTS = ("truncated", "renamed", "recompressed", "resized", "mirrored", "cropped")
PLANTED = 400


def faulty(content: bytes, fault: str, rng: random.Random) -> bytes:
    """A photograph's bytes with a fault."""
    if fault == "truncated":
        return content[: len(content) // 2]
    if fault == "renamed":
        return content
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    width, height = picture.size
    if fault == "resized":
        scale = rng.choice((0.5, 0.7, 1.5))
        picture = picture.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    elif fault == "mirrored":
        picture = ImageOps.mirror(picture)
    elif fault == "cropped":
        cut_width, cut_height = round(width * 0.95), round(height * 0.95)
        left, top = rng.randint(0, width - cut_width), rng.randint(0, height - cut_height)
        picture = picture.crop((left, top, left + cut_width, top + cut_height))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=30 if fault == "recompressed" else 85)
    return stream.getvalue()


def plant(pictures: Path, target: Path) -> dict[str, dict[str, str]]:
    """Copy a folder PART/CLASS/picture and plant faults; by fault, from planted path to its original."""
    shutil.copytree(pictures, target)
    rng = random.Random(0)
    chosen = rng.sample(sorted(path for path in target.rglob("*.jpg")), PLANTED)
    folders = sorted({path.parent for path in target.rglob("*.jpg")})
    planted: dict[str, dict[str, str]] = {fault: {} for fault in FAULTS}
    for number, path in enumerate(chosen):
        fault = FAULTS[number % len(FAULTS)]
        copy = rng.choice(folders) / f"planted-{number}.jpg"
        copy.write_bytes(faulty(path.read_bytes(), fault, rng))
        planted[fault][str(copy.relative_to(target))] = str(path.relative_to(target))
    return planted


def found(target: Path, planted: dict[str, dict[str, str]]) -> dict[str, float]:
    """Recall by fault, and the precision of near duplicates."""
    findings = check(scan(target))
    broken = {path for finding in findings if finding.kind == "broken" for path in finding.paths}
    groups = [set(entry.paths) for entry in findings if entry.kind in ("conflict", "leak", "duplicate")]
    near_groups = [set(entry.paths) for entry in findings if entry.kind.startswith("near")]
    recall = {"truncated": float(np.mean([path in broken for path in planted["truncated"]]))}
    for fault in FAULTS[1:]:
        where = groups if fault == "renamed" else near_groups
        pairs = planted[fault].items()
        recall[fault] = float(np.mean([any({copy, path} <= group for group in where) for copy, path in pairs]))
    known = {frozenset(pair) for fault in FAULTS[2:] for pair in planted[fault].items()}
    strangers = [sorted(group) for group in near_groups if not any(pair <= group for pair in known)]
    print("near duplicates that were not planted:", strangers)
    return recall | {"near groups": len(near_groups), "not planted": len(strangers)}


def plain(pictures: Path) -> float:
    """Seconds of the plain way."""
    start = perf_counter()
    digests, hashes = set(), []
    for path in sorted(pictures.rglob("*.jpg")):
        content = path.read_bytes()
        digests.add(hashlib.sha256(content).hexdigest())
        small = np.asarray(Image.open(io.BytesIO(content)).convert("L").resize((8, 8), Image.Resampling.LANCZOS))
        hashes.append(int.from_bytes(np.packbits(small > small.mean()).tobytes()))
    pairs = 0
    for number, one in enumerate(hashes):
        pairs += sum((one ^ other).bit_count() <= 6 for other in hashes[:number])
    return perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder PART/CLASS/picture of photographs")
    parser.add_argument("--out", type=Path, required=True, help="empty folder to work in")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    figures: dict[str, object] = {}
    ours, theirs = [], []
    for _ in range(options.rounds):
        start = perf_counter()
        scanned = scan(options.pictures)
        check(scanned)
        ours.append(perf_counter() - start)
        theirs.append(plain(options.pictures))
    figures["everything_s"], figures["plain_s"] = ours, theirs
    figures["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    built = manifest.build(scanned, recipe.Parts())
    spec = Preprocess(height=224, width=224)
    start = perf_counter()
    cache.build(built, spec, options.out / "cache")
    figures["cached_pictures_per_s"] = len(built.samples) / (perf_counter() - start)
    for count in (10_000, 100_000):
        hashes = np.random.default_rng(0).integers(0, 2**63, count, dtype=np.uint64)
        seconds = []
        for _ in range(options.rounds):
            start = perf_counter()
            sum(len(rows) for rows, _ in near.search(hashes, hashes, near.RADIUS))
            seconds.append(perf_counter() - start)
        figures[f"search_{count}_s"] = statistics.median(seconds)
    figures |= found(options.out / "planted", plant(options.pictures, options.out / "planted"))
    print(json.dumps(figures, indent=1))
    files.write_text(options.out / "figures.json", json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
