"""The lowest point of a convex function is found, however unequal its slopes are."""

import torch

from tapetum.training.lbfgs import lowest


def test_a_narrow_valley_is_followed_to_its_end():
    steepness, end = torch.logspace(-2, 2, 40), torch.linspace(-1, 1, 40)

    def valley(point: torch.Tensor) -> tuple[float, torch.Tensor]:
        away = point - end
        return float((steepness * away.square()).sum() / 2), steepness * away

    torch.testing.assert_close(lowest(valley, torch.zeros(40)), end, atol=0.02, rtol=0)


def test_where_nothing_slopes_it_stays():
    start = torch.ones(3)

    assert torch.equal(lowest(lambda point: (1.0, torch.zeros(3)), start), start)
