"""Near duplicates: pictures that were recompressed, resized, mirrored or cropped by a few per cent.

Each picture is hashed to 64 bits by the low frequencies of its cosine
transform (pHash, Zauner 2010). It is then looked for as it is, mirrored, and
cropped to 95 % at nine places; what lies within a few bits is compared pixel by
pixel. The search looks hashes up by their quarters instead of comparing all
pairs (multi-index hashing, Norouzi et al. 2012).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

SIDE = 64  # of a thumbnail, in pixels
SHORTEST_SIDE = 40  # of a picture: two fours of 8 by 8 pixels are alike without being versions of one picture
RADIUS = 6  # bits; found by eleven views of each of 4,500 photographs: two pairs, both real, and no third below 8
CORRELATION = 0.85  # of thumbnails; cropped pictures have 0.89 and more

_FREQUENCIES = 9
_QUARTER_BITS = 16
_CROP = 0.95
_CHUNK = 2_000  # bounds memory: a thumbnail in float32 is 16 kB

Box = tuple[float, float, float, float]
_WHOLE: Box = (0.0, 1.0, 0.0, 1.0)
_OFFSETS = (0.0, (1 - _CROP) / 2, 1 - _CROP)
_CROPS: tuple[Box, ...] = tuple((y, y + _CROP, x, x + _CROP) for y, x in product(_OFFSETS, _OFFSETS))


@dataclass(frozen=True)
class Pair:
    """Two pictures, by number, and how alike their thumbnails are (1 = the same)."""

    first: int
    second: int
    correlation: float


def pairs(thumbnails: np.ndarray) -> list[Pair]:
    """uint8 (N, 64, 64) grey thumbnails -> pairs of near duplicates, `first` < `second`.

    Of many pictures with one hash each is paired with the first alone, and
    pictures of a single colour are like nothing: else thousands of copies, or
    of blank pages, would make millions of pairs.
    """
    known = hashes(thumbnails)
    _, first, which = np.unique(known, return_index=True, return_inverse=True)
    twins = np.flatnonzero(first[which] != np.arange(len(known)))
    best: dict[tuple[int, int], float] = {}
    _confirm(best, thumbnails[first[which[twins]]].astype(np.float32), first[which[twins]], thumbnails, twins)
    for box, is_mirrored in [(_WHOLE, False), (_WHOLE, True), *((crop, False) for crop in _CROPS)]:
        views = thumbnails[first][:, :, ::-1] if is_mirrored else thumbnails[first]
        for viewed, found in search(known[first], hashes(views, box), RADIUS):
            _confirm(best, _cut(views[viewed], box), first[viewed], thumbnails, first[found])
    return [Pair(first, second, correlation) for (first, second), correlation in sorted(best.items())]


def _confirm(
    best: dict[tuple[int, int], float], views: np.ndarray, viewed: np.ndarray, thumbnails: np.ndarray, found: np.ndarray
) -> None:
    """Keep the highest correlation of each pair that is alike enough."""
    alike = _correlations(views, thumbnails[found].astype(np.float32))
    for one, other, correlation in zip(viewed.tolist(), found.tolist(), alike.tolist(), strict=True):
        if one != other and correlation >= CORRELATION:
            pair = (min(one, other), max(one, other))
            best[pair] = max(correlation, best.get(pair, 0.0))


def groups(count: int, linked: list[Pair]) -> list[list[int]]:
    """Pictures joined by pairs, directly or through others; each group and their order ascend."""
    leader = list(range(count))

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    for pair in linked:
        low, high = sorted((find(pair.first), find(pair.second)))
        leader[high] = low
    members: dict[int, list[int]] = {}
    for number in range(count):
        members.setdefault(find(number), []).append(number)
    return [group for group in members.values() if len(group) > 1]


def hashes(thumbnails: np.ndarray, box: Box = _WHOLE) -> np.ndarray:
    """uint8 (N, 64, 64) -> uint64 (N,), of the part within `box` (top, bottom, left, right as shares)."""
    rows, columns = _cosines() @ _sampling(box[0], box[1]), _cosines() @ _sampling(box[2], box[3])
    found = np.empty(len(thumbnails), np.uint64)
    for start in range(0, len(thumbnails), _CHUNK):
        waves = rows @ thumbnails[start : start + _CHUNK].astype(np.float32) @ columns.T
        # 64 of the 81 frequencies: the constant is brightness, which may change.
        values = np.concatenate([waves[:, :8, :8].reshape(-1, 64)[:, 1:], waves[:, 0, 8:9]], axis=1)
        bits = values > np.median(values, axis=1, keepdims=True)
        found[start : start + len(values)] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def search(known: np.ndarray, wanted: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of (rows of `wanted`, rows of `known`) whose uint64 hashes differ in at most `radius` ≤ 7 bits.

    Of at most seven differing bits, one of four quarters holds at most one:
    so each quarter is looked up as it is and with each of its bits flipped.
    """
    masks = np.array([0, *(1 << bit for bit in range(_QUARTER_BITS))], np.uint64)
    tables = [_Table(known, quarter) for quarter in range(4)]
    for start in range(0, len(wanted), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(wanted)))
        found = np.concatenate([table.candidates(wanted[rows], masks, start) for table in tables], axis=1)
        distance = np.bitwise_count(wanted[found[0]] ^ known[found[1]])
        close = np.unique(found[:, distance <= radius], axis=1)
        yield close[0], close[1]


class _Table:
    """Hashes sorted by one of their quarters, so that all with a given quarter lie side by side."""

    def __init__(self, known: np.ndarray, quarter: int) -> None:
        self._shift = np.uint64(quarter * _QUARTER_BITS)
        keys = self._quarter(known)
        self._order = np.argsort(keys, kind="stable")
        self._starts = np.searchsorted(keys[self._order], np.arange((1 << _QUARTER_BITS) + 1))

    def candidates(self, wanted: np.ndarray, masks: np.ndarray, offset: int) -> np.ndarray:
        """(2, M): numbers of wanted hashes, from `offset` on, and of known ones that share a quarter to one bit."""
        probes = self._quarter(wanted)[:, None] ^ masks[None, :].astype(np.int64)
        starts, ends = self._starts[probes].ravel(), self._starts[probes + 1].ravel()
        lengths = ends - starts
        asking = np.repeat(np.arange(len(wanted)).repeat(len(masks)), lengths) + offset
        within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        return np.stack([asking, self._order[np.repeat(starts, lengths) + within]])

    def _quarter(self, values: np.ndarray) -> np.ndarray:
        return ((values >> self._shift) & np.uint64((1 << _QUARTER_BITS) - 1)).astype(np.int64)


def _cosines() -> np.ndarray:
    angles = np.pi * (np.arange(SIDE) + 0.5)[None, :] * np.arange(_FREQUENCIES)[:, None] / SIDE
    return np.asarray(np.cos(angles) * np.sqrt(2 / SIDE), np.float32)


def _sampling(low: float, high: float) -> np.ndarray:
    """(64, 64): 64 points, linearly interpolated, of the stretch from `low` to `high` of a row of 64."""
    places = (low + (np.arange(SIDE) + 0.5) / SIDE * (high - low)) * SIDE - 0.5
    distance = np.abs(places.clip(0, SIDE - 1)[:, None] - np.arange(SIDE)[None, :])
    return np.asarray(np.maximum(0, 1 - distance), np.float32)


def _cut(thumbnails: np.ndarray, box: Box) -> np.ndarray:
    return np.asarray(_sampling(box[0], box[1]) @ thumbnails.astype(np.float32) @ _sampling(box[2], box[3]).T)


def _correlations(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(M, 64, 64) twice -> (M,); pictures of one colour are like nothing."""
    ours, theirs = (side.reshape(len(side), SIDE * SIDE) for side in (ours, theirs))
    ours, theirs = (side - side.mean(axis=1, keepdims=True) for side in (ours, theirs))
    norms = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(norms, 1e-6), np.float64)
