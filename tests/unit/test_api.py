"""The names that programs import."""

import subprocess
import sys

import numpy as np
import pytest

import tapetum
from tapetum.errors import BrokenPicture, BundleError, ConfigError, NotAPicture


def test_the_names_are_those_that_are_promised():
    assert tapetum.__all__ == ["Answer", "Classifier", "Client", "__version__", "load"]
    assert set(dir(tapetum)) == set(tapetum.__all__)
    assert all(getattr(tapetum, name) for name in tapetum.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tapetum' has no attribute 'lode'"):
        tapetum.lode  # noqa: B018  # to ask is the test


def test_importing_the_package_imports_nothing_large():
    script = "import sys, tapetum; print(sorted({'numpy', 'httpx', 'openvino'} & set(sys.modules)))"

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"


def test_a_picture_is_a_path_or_its_content(bundle_path, bright, tmp_path):
    (tmp_path / "bright.png").write_bytes(bright)
    model = tapetum.load(bundle_path)

    answers = [model.predict(picture) for picture in (bright, tmp_path / "bright.png", str(tmp_path / "bright.png"))]

    assert [answer.label for answer in answers] == ["bright"] * 3
    assert list(answers[0].probabilities) == list(model.labels)
    assert answers[0].confidence == max(answers[0].probabilities.values())
    assert model.facts.name


def test_a_picture_that_cannot_be_used_is_an_error_of_its_own(bundle_path, bright, tmp_path):
    (tmp_path / "bright.png").write_bytes(bright)
    (tmp_path / "diary.png").write_bytes(b"dear diary")
    model = tapetum.load(str(bundle_path))

    with pytest.raises(NotAPicture):
        model.predict(b"dear diary")
    with pytest.raises(BrokenPicture, match=r"away\.png cannot be read: No such file"):
        model.predict(tmp_path / "away.png")
    bad, missing, good = model.predict_many(tmp_path / name for name in ("diary.png", "away.png", "bright.png"))
    assert isinstance(bad, NotAPicture)
    assert isinstance(missing, BrokenPicture)
    assert good.label == "bright"


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        tapetum.load(tmp_path)


@pytest.mark.parametrize(
    "picture",
    [None, 5, [b"x"], bytearray(b"x"), np.zeros((8, 8, 3), np.uint8)],
    ids=["none", "number", "list", "bytearray", "pixels"],
)
def test_what_is_neither_path_nor_content_says_what_is_expected(bundle_path, picture):
    model = tapetum.load(bundle_path)

    with pytest.raises(
        TypeError, match=f"given as {type(picture).__name__}: expected the path of a file, or its content"
    ):
        model.predict(picture)


def test_a_name_with_a_zero_byte_cannot_be_read(bundle_path):
    model = tapetum.load(bundle_path)

    with pytest.raises(BrokenPicture, match="embedded null byte"):
        model.predict("a\0b")
    assert isinstance(next(model.predict_many(["a\0b"])), BrokenPicture)


def test_one_path_is_not_taken_for_many(bundle_path):
    with pytest.raises(TypeError, match=r"expected \['tom.jpg'\]"):
        next(tapetum.load(bundle_path).predict_many("tom.jpg"))


def test_an_unknown_precision_lists_those_that_are_known(bundle_path):
    with pytest.raises(ConfigError, match="unknown precision 'fp8': expected one of auto, fp32, bf16, int8"):
        tapetum.load(bundle_path, precision="fp8")
