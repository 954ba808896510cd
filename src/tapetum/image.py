"""The only way from bytes to pixels: training, evaluation and serving all decode and resize here."""

import io
from typing import Annotated, Literal, NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, ImageFile, features
from pydantic import BaseModel, ConfigDict, Field

from tapetum import containers, turning
from tapetum.containers import DEFAULT_MAX_PIXELS
from tapetum.errors import BrokenPicture, EmptyPicture, PictureTooLarge
from tapetum.resize import is_vectorised, resize, resizer_version
from tapetum.signatures import SUPPORTED, unreadable
from tapetum.turning import Turn

# Our own limit is checked after the header and before any pixel is decoded, and it can be set.
Image.MAX_IMAGE_PIXELS = None

MAX_SIDE = 65_535  # of JPEG; a resizer keeps tables for each row and column

Kernel = Literal["box", "bilinear", "hamming", "bicubic", "lanczos"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_PHOTOMETRIC_TAG, _TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 262, 322, 323
_WHITE_IS_ZERO = 0
_MOST_PLANES = 8
# A JPEG is decoded at a half, a quarter or an eighth of its size while that leaves so many pixels for each one of the
# input on either side: then it differs from the whole by 0.15 grey levels on average and 2 at most.
_LEAST_SPARE = 5


class Preprocess(BaseModel):
    """How a picture becomes the model's input: a fact of the trained model, carried in its bundle.

    `squash` resizes to (height, width) whatever the shape. `crop` resizes the
    shorter side to the input's divided by `crop_share`, then cuts out the
    centre, as torchvision's Resize and CenterCrop do. All kernels average over
    the pixels they shrink. `mean` and `std` refer to values from 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    height: Annotated[int, Field(ge=1, le=4096, description="Of the model's input, in pixels.")]
    width: Annotated[int, Field(ge=1, le=4096, description="Of the model's input, in pixels.")]
    fit: Annotated[Literal["squash", "crop"], Field(description="Resize both sides, or cut out the centre.")] = "squash"
    crop_share: Annotated[float, Field(gt=0, le=1, description="How much of the shorter side crop keeps.")] = 1.0
    kernel: Annotated[Kernel, Field(description="How pixels are averaged in resizing.")] = "bilinear"
    mean: Annotated[tuple[Share, Share, Share], Field(description="Taken from values 0 to 1.")] = (0.5, 0.5, 0.5)
    std: Annotated[tuple[Positive, Positive, Positive], Field(description="Divided by.")] = (0.5, 0.5, 0.5)


class Read(NamedTuple):
    """A picture as the model gets it.

    `pixels` are uint8 (height, width, 3) of the model's input and `size` the
    upright picture's width and height. `decoded` is what they were made of,
    uint8 (H, W, 3) as it is stored, perhaps at a fraction of its size; None
    where only pixels were given.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    decoded: np.ndarray | None = None


def decoder_version() -> str:
    """What decodes here; other versions may give other pixels, so caches are keyed by it."""
    libraries = [f"{name} {features.version(name)}" for name in ("pil", "jpg", "zlib", "webp", "libtiff")]
    return ", ".join([*libraries, f"simplejpeg {simplejpeg.__version__}", f"resizer {resizer_version()}"])


def decode(content: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Bytes of a picture file -> RGB picture: first frame, upright, alpha on white, 8 bits a channel.

    Raises EmptyPicture, NotAPicture, BrokenPicture, or PictureTooLarge before
    a pixel beyond the limit is decoded.
    """
    picture, content = _open(content, max_pixels)
    with picture:
        return _whole(picture, content, max_pixels)


def read(content: bytes, spec: Preprocess, max_pixels: int = DEFAULT_MAX_PIXELS) -> Read:
    """Bytes of a picture file as the model gets it.

    The pixels are those of `to_array` of `decode`, but for two grey levels where a JPEG is
    so large that it is decoded at a fraction of its size. Raises what `decode` raises.
    """
    picture, content = _open(content, max_pixels)
    with picture:
        pixels = _jpeg_pixels(picture, content, spec)
        if pixels is None:
            pixels = np.asarray(_whole(picture, content, max_pixels))
            return Read(to_array(pixels, spec), (pixels.shape[1], pixels.shape[0]), pixels)
        turn = turning.of(picture)
        return Read(to_array(pixels, spec, turn), turn.size(picture.size), pixels)


def to_array(picture: Image.Image | np.ndarray, spec: Preprocess, turn: Turn = turning.NONE) -> np.ndarray:
    """RGB picture of any size, (H, W, 3) where it is an array -> uint8 (spec.height, spec.width, 3).

    `turn` is what makes it upright: it is cheaper once the picture is small.
    """
    pixels = np.asarray(picture)
    if turn is not turning.NONE and not is_vectorised(spec.kernel):
        pixels, turn = turn.apply(pixels), turning.NONE  # so that Pillow's choice of the first pass is that of `decode`
    size = turn.size((pixels.shape[1], pixels.shape[0]))
    width, height, left, top = _fitted(size, spec)
    # The order of Pillow 13, found by trying: rows first where the height shrinks by more than twice as many pixels.
    rows_first = size[1] > height and size[1] - height > 2 * (size[0] - width)
    window = turn.stored((left, top, left + spec.width, top + spec.height), (width, height))
    return turn.apply(resize(pixels, turn.size((width, height)), window, spec.kernel, rows_first != turn.is_transposed))


def kept(size: tuple[int, int], spec: Preprocess) -> tuple[float, float, float, float]:
    """What `to_array` keeps of a picture of `size`: left, top, right, bottom, as shares of its width and height."""
    width, height, left, top = _fitted(size, spec)
    return left / width, top / height, (left + spec.width) / width, (top + spec.height) / height


def _fitted(size: tuple[int, int], spec: Preprocess) -> tuple[int, int, int, int]:
    """Width and height to resize to, and left and top of the input in that."""
    if spec.fit == "squash":
        return spec.width, spec.height, 0, 0
    scale = max(int(spec.width / spec.crop_share) / size[0], int(spec.height / spec.crop_share) / size[1])
    # Rounded up against float error: a side must never fall short of the input.
    width = max(spec.width, int(size[0] * scale + 1e-6))
    height = max(spec.height, int(size[1] * scale + 1e-6))
    return width, height, round((width - spec.width) / 2), round((height - spec.height) / 2)


def _open(content: bytes, max_pixels: int) -> tuple[ImageFile.ImageFile, bytes]:
    """A picture whose header was read and found within all limits, and its bytes without what is not needed."""
    if not content:
        raise EmptyPicture(f"the picture has 0 bytes: send a {SUPPORTED} file")
    # Pillow's format readers raise whatever a hostile file leads them into, from
    # struct.error to KeyError; here each of them means that the picture is bad.
    try:
        content = containers.tame(content)
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Exception as error:  # see above
        raise unreadable(content) from error
    width, height = picture.size
    if max(width, height) > MAX_SIDE:
        raise PictureTooLarge(f"the picture is {width}×{height}: the longest side allowed is {MAX_SIDE:,}; cut it")
    if width * height > max_pixels:
        raise PictureTooLarge(
            f"the picture is {width}×{height}, {width * height:,} pixels: the limit is {max_pixels:,}; scale it down"
        )
    return picture, content


def _jpeg_pixels(picture: ImageFile.ImageFile, content: bytes, spec: Preprocess) -> np.ndarray | None:
    """uint8 (H, W, 3) of a JPEG as it is stored, perhaps at a fraction of its size; None where Pillow has to look."""
    if picture.format not in ("JPEG", "MPO") or picture.mode not in ("RGB", "L"):
        return None
    size = turning.of(picture).size(picture.size)
    width, height, *_ = _fitted(size, spec)
    spare = min(size[0] / width, size[1] / height) / _LEAST_SPARE
    part = next((part for part in (8, 4, 2) if part <= spare), 1)
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            content, min_height=-(-picture.height // part), min_width=-(-picture.width // part), min_factor=1
        )
    except ValueError:  # it refuses what is damaged a little, which Pillow forgives
        return None
    return pixels


def _whole(picture: ImageFile.ImageFile, content: bytes, max_pixels: int) -> Image.Image:
    try:
        is_16_bit = any("16" in str(tile.args) for tile in picture.tile)
        tags = getattr(picture, "tag_v2", {})
        is_white_zero = tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
        _require_fitting_tiles(picture, tags.get(_TILE_WIDTH_TAG, 0) * tags.get(_TILE_HEIGHT_TAG, 0), max_pixels)
        picture.load()
        _require_all_rows(picture, content)
        return _to_rgb(turning.upright(picture), is_16_bit, is_white_zero)
    except MemoryError:
        raise
    except Exception as error:  # as in `_open`: the readers decode only here
        raise BrokenPicture(
            f"the {picture.format} picture is truncated or damaged ({error}): send it again, or save it anew"
        ) from error


def _require_fitting_tiles(picture: ImageFile.ImageFile, tile_pixels: int, max_pixels: int) -> None:
    """A TIFF may have tiles that lie over each other without end, or one tile far larger than the picture."""
    extents = [tile.extents or (0, 0, 0, 0) for tile in picture.tile]
    area = sum((right - left) * (lower - upper) for left, upper, right, lower in extents)
    if area > _MOST_PLANES * picture.width * picture.height or tile_pixels > max_pixels:
        raise ValueError("its tiles do not fit it")


def _require_all_rows(picture: Image.Image, content: bytes) -> None:
    if picture.format != "PNG":
        return
    last_row = np.asarray(picture.crop((0, picture.height - 1, *picture.size)))
    may_lack_rows = "interlace" in picture.info or not last_row.any()
    if may_lack_rows and not containers.has_all_rows(content):
        raise ValueError("its rows end early")


def _to_rgb(picture: Image.Image, is_16_bit: bool, is_white_zero: bool) -> Image.Image:
    """8-bit RGB; 16-bit grey keeps its high bits, and transparency shows white."""
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no defined white; save the picture with 8 bits a channel")
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I"):
        levels = np.asarray(picture).clip(0, 65535).astype(np.uint16)
        if is_white_zero:  # which Pillow heeds up to 8 bits only
            levels = 65535 - levels
        grey = ((levels + np.uint32(128)) // 257).astype(np.uint8)
        grey[levels == transparent] = 255
        return Image.fromarray(grey).convert("RGB")
    if is_16_bit and isinstance(transparent, tuple):
        # Pillow keeps 8 of 16 bits of the pixels, but the transparent colour whole.
        picture.info["transparency"] = tuple(value >> 8 for value in transparent)
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        ground = Image.new("RGBA", layers.size, "white")
        picture = Image.alpha_composite(ground, layers)
    return picture if picture.mode == "RGB" else picture.convert("RGB")
