"""The dashboards' colours can be told apart with any common colour vision, on a dark page and on a light one."""

import itertools

import numpy as np
import pytest

from tapetum.stack.grafana import colours
from tapetum.stack.grafana.colours import BAD, BLUE, GOOD, GREY, PURPLE, WARN

PALETTE = (GOOD, WARN, BAD, BLUE, PURPLE, GREY)
# How others see linear RGB, at full severity: Machado, Oliveira and Fernandes, 2009.
VISION = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Linear RGB -> CIE XYZ, white at 1.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
TO_XYZ /= TO_XYZ.sum(axis=1, keepdims=True)


def linear(colour: str) -> np.ndarray:
    """`#RRGGBB` -> linear RGB (3,)."""
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Linear RGB (3,) -> CIE L*a*b* (3,)."""
    x, y, z = np.cbrt(TO_XYZ @ rgb.clip(1e-4, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(colour: str, page: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(each)) for each in (colour, page))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PALETTE, 2)))
def test_two_colours_look_different(one, other, vision):
    seen = [lab(np.array(VISION[vision]) @ linear(colour)) for colour in (one, other)]

    assert np.linalg.norm(seen[0] - seen[1]) > 12  # 2.3 is what one just notices side by side


@pytest.mark.parametrize("colour", PALETTE)
def test_a_colour_stands_out_from_the_page(colour):
    assert contrast(colour, "#181B1F") > 3
    assert contrast(colour, "#FFFFFF") > 2.7


def test_every_name_has_a_colour_of_the_palette():
    assert set(colours.BY_NAME.values()) <= set(PALETTE)
