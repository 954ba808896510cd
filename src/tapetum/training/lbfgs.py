"""The lowest point of a smooth convex function, by L-BFGS (Nocedal & Wright 2006, algorithms 7.4 and 3.1).

torch has it too, but any optimiser of torch's imports its compiler, which takes longer than most of what is learned so.
"""

from collections import deque
from collections.abc import Callable

import torch

_MEMORY = 30
_MOST_STEPS = 200
_FLAT = 1e-7  # of the steepest slope
_LEAST_GAIN = 1e-6  # of the value
_ENOUGH = 1e-4  # of what the slope promises
_SHORTEST = 1e-6

Sloped = Callable[[torch.Tensor], tuple[float, torch.Tensor]]


def lowest(function: Sloped, start: torch.Tensor) -> torch.Tensor:
    """From (n,), by what `function` gives at a point: its value, and its gradient (n,)."""
    point, (value, slope) = start, function(start)
    moves: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=_MEMORY)
    for _ in range(_MOST_STEPS):
        if slope.abs().max() <= _FLAT:
            break
        way = -_by_curvature(slope, moves)
        step = 1.0 if moves else min(1.0, 1 / float(slope.abs().sum()))
        promised = float(slope @ way)
        while (found := function(point + step * way))[0] > value + _ENOUGH * step * promised:
            step /= 2
            if step < _SHORTEST:  # the digits of float32 are used up
                return point
        gain = value - found[0]
        moves.append((step * way, found[1] - slope))
        point, (value, slope) = point + step * way, found
        if gain <= _LEAST_GAIN * abs(value):
            break
    return point


def _by_curvature(slope: torch.Tensor, moves: deque[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The slope divided by the curvature that the last moves met."""
    kept = [(move, change, float(move @ change)) for move, change in moves]
    kept = [(move, change, bend) for move, change, bend in kept if bend > 0]
    if not kept:
        return slope
    way = slope.clone()
    shares = []
    for move, change, bend in reversed(kept):
        shares.append(float(move @ way) / bend)
        way -= shares[-1] * change
    _, change, bend = kept[-1]
    way *= bend / float(change @ change)
    for (move, change, bend), share in zip(kept, reversed(shares), strict=True):
        way += (share - float(change @ way) / bend) * move
    return way
