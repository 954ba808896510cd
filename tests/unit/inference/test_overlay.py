"""A heat map as a picture that can be read."""

import io

import numpy as np
import pytest
from PIL import Image

from tapetum.inference.explain import Explanation
from tapetum.inference.overlay import MOST_SIDE, draw, to_png

LUMINANCE = (0.2126, 0.7152, 0.0722)
# What is left of linear red, green and blue for who lacks one kind of cone (Machado et al. 2009, severity 1).
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def explanation(evidence: np.ndarray) -> Explanation:
    return Explanation("cat", "grad-cam", np.array([1.0]), evidence.astype(np.float32), (0, 0, 1, 1))


@pytest.fixture
def one_side() -> Explanation:
    """Heat on the right, nothing on the left, where something even speaks against."""
    return explanation(np.array([[-3, -1, 0, 0, 1, 2, 2, 2]] * 8))


def linear(colours: np.ndarray) -> np.ndarray:
    shares = colours / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def test_heat_has_a_colour_and_the_rest_is_grey(one_side):
    drawn = np.asarray(draw(Image.new("RGB", (80, 80), (200, 40, 40)), one_side, "overlay")).astype(int)

    assert drawn.shape == (80, 80, 3)
    assert np.ptp(drawn[:, :20], axis=2).max() == 0
    assert np.ptp(drawn[:, 60:], axis=2).min() > 60


def test_the_bare_map_is_grey_and_white_where_the_heat_is_most(one_side):
    drawn = draw(Image.new("RGB", (80, 40)), one_side, "map")

    levels = np.asarray(drawn)
    assert (drawn.mode, drawn.size) == ("L", (80, 40))
    assert levels[:, :20].max() == 0
    assert levels[:, -1].min() == 255


@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_more_heat_is_lighter_and_never_grey_for_every_eye(blindness):
    ramp = explanation(np.linspace(0, 1, 100)[None])

    drawn = np.asarray(draw(Image.new("RGB", (100, 1)), ramp, "overlay"))[0]
    seen = linear(drawn) if blindness is None else np.clip(linear(drawn) @ np.array(BLINDNESS[blindness]).T, 0, 1)

    luminance = seen @ LUMINANCE
    assert (np.diff(luminance[::10]) > 0).all()
    assert luminance[-1] > 2 * luminance[50]
    assert np.ptp(seen[50:], axis=1).min() > 0.1


@pytest.mark.parametrize(("size", "drawn"), [((60, 40), (60, 40)), ((4096, 2048), (1024, 512)), ((5000, 1), (1024, 1))])
def test_a_drawing_has_the_size_of_the_picture_up_to_a_bound(one_side, size, drawn):
    assert draw(Image.new("RGB", size), one_side, "overlay").size == drawn
    assert draw(Image.new("RGB", size), one_side, "map").size == drawn


def test_the_worst_picture_becomes_a_file_that_a_worker_may_send(rng):
    noise = Image.fromarray(rng.integers(0, 256, (MOST_SIDE, MOST_SIDE, 3), dtype=np.uint8))

    content = to_png(noise)

    assert len(content) < 3_200_000
    assert Image.open(io.BytesIO(content)).format == "PNG"
