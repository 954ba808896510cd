"""Traits of pictures that are known pixel by pixel."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tapetum.image import Read
from tapetum.profile.traits import measure


def picture(rng: np.random.Generator) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    return coarse.resize((320, 240), Image.Resampling.BICUBIC)


def of(picture: Image.Image):
    return measure(Read(np.asarray(picture.resize((64, 64))), picture.size, np.asarray(picture)))


def test_a_plain_picture_is_blank_and_as_bright_as_its_pixels():
    found = of(Image.new("RGB", (100, 50), (40, 40, 40)))

    assert found.brightness == pytest.approx(40, abs=0.01)
    assert found.contrast == pytest.approx(0, abs=0.01)
    assert found.is_blank == 1
    assert (2**found.width, 2**found.height) == pytest.approx((100, 50))


def test_casts_are_told_apart(rng):
    grey = np.asarray(picture(rng).convert("L").convert("RGB"))
    warm = Image.fromarray(np.clip(grey * [1.2, 1, 0.8], 0, 255).astype(np.uint8))
    green = Image.fromarray(np.clip(grey * [0.9, 1.1, 0.9], 0, 255).astype(np.uint8))

    assert abs(of(Image.fromarray(grey)).warmth) < 0.01
    assert of(warm).warmth > 20
    assert of(green).greenness > 10
    assert abs(of(green).warmth) < 1


def test_detail_falls_with_blur_and_rises_with_noise(rng):
    sharp = picture(rng)
    noise = rng.normal(0, 20, (240, 320, 3))
    noisy = Image.fromarray(np.clip(np.asarray(sharp) + noise, 0, 255).astype(np.uint8))

    assert of(sharp.filter(ImageFilter.GaussianBlur(3))).detail < of(sharp).detail - 1
    assert of(noisy).detail > of(sharp).detail + 1


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (3, 3), (1000, 4)])
def test_every_size_has_finite_traits(size):
    assert np.isfinite(of(Image.new("RGB", size, (9, 9, 9)))).all()


def test_of_bare_pixels_nothing_is_said_of_the_file(rng):
    found = measure(Read(np.asarray(picture(rng).resize((32, 32))), (32, 32)))

    assert np.isnan([found.width, found.height, found.detail]).all()
    assert np.isfinite([found.brightness, found.contrast, found.warmth, found.greenness]).all()
