"""What can be said of a picture in a few numbers, and of a file by its first bytes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from tapetum.resize import resize

Format = Literal["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"]

FORMAT_OF_SUFFIX: dict[str, Format] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
THUMBNAIL_SIDE = 64
_SHARPNESS_SIDE = 256
_SAMPLED_SIDE = 128
_NEAREST = Image.Resampling.NEAREST
_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)


@dataclass(frozen=True, eq=False)
class Look:
    """A decoded picture in numbers; luma and saturation run from 0 to 255.

    `sharpness` is the variance of the Laplacian of the luma (Pech-Pacheco et
    al. 2000), squashed to 256 by 256 first, so that large and small pictures compare.
    """

    width: int
    height: int
    brightness: float  # mean luma
    contrast: float  # standard deviation of luma
    sharpness: float
    saturation: float
    thumbnail: np.ndarray  # uint8 (64, 64), luma, squashed

    @property
    def shorter_side(self) -> int:
        return min(self.width, self.height)


def look(picture: Image.Image) -> Look:
    """RGB picture of any size -> what it looks like."""
    luma = picture.convert("L")
    brightness, contrast = _mean_and_deviation(luma)
    square = (_SHARPNESS_SIDE, _SHARPNESS_SIDE)
    even = resize(np.asarray(luma), square, (0, 0, *square), "bilinear", rows_first=True)
    # A sample of the pixels tells the mean saturation: of 300 photographs none moved by more than 1.7 of 255.
    sampled = picture.resize((min(picture.width, _SAMPLED_SIDE), min(picture.height, _SAMPLED_SIDE)), _NEAREST)
    small = sampled.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    saturation, _ = _mean_and_deviation(small.convert("HSV").getchannel("S"))
    return Look(
        picture.width,
        picture.height,
        brightness,
        contrast,
        _laplacian_variance(even),
        saturation,
        np.asarray(Image.fromarray(even).reduce(_SHARPNESS_SIDE // THUMBNAIL_SIDE)),
    )


def format_of(content: bytes) -> Format | None:
    """The picture format that the first bytes announce."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    # BM alone begins many a text; the four reserved bytes of a bitmap's header are 0.
    if content[:2] == b"BM" and content[6:10] == bytes(4):
        return "BMP"
    return next((name for signature, name in _SIGNATURES if content.startswith(signature)), None)


def contradicts(suffix: str, content: bytes) -> bool:
    """Whether the first bytes announce another picture format than `suffix`, such as `.jpg`, does."""
    announced, promised = format_of(content), FORMAT_OF_SUFFIX.get(suffix.lower())
    return announced is not None and promised is not None and announced != promised


def _mean_and_deviation(channel: Image.Image) -> tuple[float, float]:
    """From the histogram: exact, and 2.5 times as fast as over the pixels."""
    counts = np.asarray(channel.histogram(), dtype=np.float64)
    levels = np.arange(len(counts))
    mean = counts @ levels / counts.sum()
    return float(mean), float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))


def _laplacian_variance(luma: np.ndarray) -> float:
    """uint8 (H, W) -> the variance of its 4-neighbour Laplacian, without the border."""
    wide = luma.astype(np.int16)
    inner = wide[1:-1, 1:-1]
    edges = 4 * inner - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]
    return float(edges.var(dtype=np.float32))
