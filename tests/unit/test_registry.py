import pytest

from tapetum.errors import ConfigError
from tapetum.registry import Registry, did_you_mean


@pytest.fixture
def engines() -> Registry[int]:
    registry: Registry[int] = Registry("engine")
    registry.add("torch", 1)
    registry.add("openvino", 2)
    return registry


def test_a_name_gives_what_was_added(engines):
    assert engines.get("openvino") == 2


def test_adding_gives_the_entry_back(engines):
    assert engines.add("onnxruntime", 3) == 3


def test_an_unknown_name_lists_the_known_and_names_the_nearest(engines):
    with pytest.raises(ConfigError) as caught:
        engines.get("opnvino")

    assert str(caught.value) == "unknown engine 'opnvino' (did you mean 'openvino'?): expected one of torch, openvino"


def test_a_name_like_no_other_has_no_nearest(engines):
    with pytest.raises(ConfigError, match="unknown engine 'xyz': expected one of torch, openvino"):
        engines.get("xyz")


def test_a_name_taken_twice_raises(engines):
    with pytest.raises(ValueError, match="engine 'torch' is registered twice"):
        engines.add("torch", 9)


def test_a_name_taken_twice_keeps_its_first_entry(engines):
    with pytest.raises(ValueError, match="twice"):
        engines.add("torch", 9)

    assert engines.get("torch") == 1


def test_names_come_in_the_order_they_were_added(engines):
    assert list(engines) == ["torch", "openvino"]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("hieght", " (did you mean 'height'?)"), ("height", " (did you mean 'height'?)"), ("colour", "")],
)
def test_only_a_near_miss_gets_a_suggestion(name, suggestion):
    assert did_you_mean(name, ["width", "height"]) == suggestion
