"""A smaller set of pictures for quick runs: balanced, and the same each time."""

import hashlib
import re
from collections import defaultdict
from pathlib import Path

from tapetum.data.sample import SUFFIXES

_Name = tuple[str, ...]  # a path relative to the folder, part by part


def surplus(root: Path, limit: int) -> set[Path]:
    """The pictures below `root` that are left out when `limit` are kept.

    Those kept are spread evenly over the folders of each level, so over parts
    and over their classes; what a small class lacks the larger ones give. In a
    folder the smallest hashes of the names are kept, so pictures that come
    later change little.
    """
    pictures = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    names = {path.relative_to(root).parts for path in pictures}
    seen = {name for name in names if not any(part.startswith(".") for part in name)}
    return {root.joinpath(*name) for name in names - _choose(seen, 0, limit)}


def _choose(names: set[_Name], depth: int, limit: int) -> set[_Name]:
    groups: dict[str, set[_Name]] = defaultdict(set)
    for name in names:
        groups[_group(name, depth)].add(name)
    ordered = sorted(groups.items(), key=lambda group: (len(group[1]), group[0]))
    chosen: set[_Name] = set()
    for number, (group, members) in enumerate(ordered):
        share = (limit - len(chosen)) // (len(ordered) - number)
        is_folder = group.endswith("/")
        chosen |= _choose(members, depth + 1, share) if is_folder else set(sorted(members, key=_digest)[:share])
    return chosen


def _group(name: _Name, depth: int) -> str:
    """Its folder at this depth; of pictures that lie in no folder, the first letters, as of cat.1.jpg."""
    if len(name) > depth + 1:
        return f"{name[depth]}/"
    letters = re.match(r"[^\W\d_]*", name[0])
    assert letters is not None  # none at all would match too
    return letters.group() if depth == 0 else ""


def _digest(name: _Name) -> bytes:
    return hashlib.sha256("/".join(name).encode(errors="surrogateescape")).digest()
