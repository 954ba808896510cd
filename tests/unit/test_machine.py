from importlib.metadata import version

from tapetum import __version__, machine


def test_a_measurement_can_say_what_it_was_made_on():
    found = machine.description()

    assert found["tapetum"] == __version__
    assert found["openvino"] == version("openvino")
    assert found["cores"] == str(machine.cores())
    assert all(found.values())
    assert {"processor", "system", "python", "numpy", "pillow", "torch"} <= found.keys()
