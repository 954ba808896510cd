"""The picture of latency against load is a file that stands alone."""

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from tapetum.delivery.bench import Load
from tapetum.delivery.load_plot import plot


def a_load(clients: int | None, rate: float | None, answered_per_s: float, *latencies: float | None) -> Load:
    quantiles = dict(zip(("p50", "p90", "p99", "p99.9"), latencies, strict=True))
    return Load(clients, rate, 5.0, 500, answered_per_s, quantiles, {"200": 500}, 2.5, 0.1, None)


LOADS = [
    a_load(1, None, 344, 2.8, 3.0, 4.7, None),
    a_load(8, None, 725, 10.6, 15, 21, 30),
    a_load(None, 200, 200, 2.9, 3.5, 6, None),
    a_load(None, 600, 600, 4, 9, 30, 55),
]


def test_an_svg_has_words_as_words_and_a_line_for_each_quantile_of_each_shape():
    content = plot(LOADS, "runs/a & b", "svg")

    drawn = ElementTree.fromstring(content)  # noqa: S314 (our own)
    words = {text for each in drawn.iter() if (text := (each.text or "").strip())}
    assert "Latency under load: runs/a & b" in words
    for name in ("p50", "p90", "p99", "p99.9"):
        assert {f"{name}, open", f"{name}, closed"} <= words
    assert "var(--" not in content.decode()
    assert plot(LOADS, "runs/a & b", "svg") == content


@pytest.mark.parametrize("loads", [LOADS, LOADS[:1], [a_load(None, 50, 0, None, None, None, None)]])
def test_a_png_is_one_whatever_is_known(loads):
    with Image.open(io.BytesIO(plot(loads, "http://a", "png"))) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 400
