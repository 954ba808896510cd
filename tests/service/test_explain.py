"""Heat maps over HTTP: what they look like, what they refuse, and that predictions do not wait for them."""

import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from conftest import encode
from PIL import Image
from running import Service, ask_beyond_the_limit, frozen, post, slug


def ask(service: Service, content: bytes, timeout: str = "20", **parameters: str) -> httpx.Response:
    """A raw picture to /explain, with a deadline; `label` is the class."""
    if "label" in parameters:
        parameters["class"] = parameters.pop("label")
    headers = {"X-Request-Timeout": timeout, "Accept": "*/*"}
    return service.client.post("/explain", content=content, params=parameters, headers=headers)


def value(service: Service, series: str) -> float:
    """A value of /metrics; 0 for what is not there."""
    lines = service.client.get("/metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} ")), 0.0)


@pytest.mark.parametrize(("form", "mode"), [(None, "RGB"), ("overlay", "RGB"), ("map", "L")])
def test_a_heat_map_is_a_png_of_the_pictures_size(service, jpeg, form, mode):
    response = ask(service, jpeg, **({"format": form} if form else {}))

    drawn = Image.open(io.BytesIO(response.content))
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/png")
    assert (drawn.format, drawn.mode, drawn.size) == ("PNG", mode, (60, 40))
    assert response.headers["X-Request-ID"]


def test_a_large_picture_has_a_smaller_drawing(service):
    response = ask(service, encode(np.full((1500, 3000, 3), 200, np.uint8)))

    assert Image.open(io.BytesIO(response.content)).size == (1024, 512)


@pytest.mark.parametrize("way", [{"params": {"format": "json"}}, {"headers": {"Accept": "application/json"}}])
def test_as_json_it_has_the_prediction_and_a_grid(service, bright, way):
    predicted = post(service, bright).json()

    response = service.client.post("/explain", files={"file": bright}, **way)

    why = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert (why["prediction"], why["class"], why["method"]) == ("bright", "bright", "occlusion")
    assert why["probabilities"] == pytest.approx(predicted["probabilities"], abs=0.02)
    assert why["probability"] == why["probabilities"]["bright"]
    grid = np.array(why["heat"])
    assert grid.shape == (8, 8)
    assert (grid.min() >= 0, grid.max()) == (True, 1)
    assert why["box"] == [0, 0, 1, 1]
    assert why["model"] == predicted["model"]
    assert why["request_id"] == response.headers["X-Request-ID"]


def test_a_class_can_be_asked_for(service, bright):
    why = ask(service, bright, format="json", label="dark").json()

    assert (why["prediction"], why["class"]) == ("bright", "dark")


@pytest.mark.parametrize(
    ("parameters", "content", "status", "kind", "words"),
    [
        ({"label": "cat"}, None, 400, "malformed-request", "the class is 'cat': expected one of bright, dark"),
        ({"format": "gif"}, None, 400, "malformed-request", "the format is 'gif': expected one of overlay, map, json"),
        ({}, b"hello", 415, "not-a-picture", "text"),
        ({}, b"", 422, "missing-picture", "no body"),
        ({"timeout": "never"}, None, 400, "malformed-request", "X-Request-Timeout is 'never'"),
    ],
)
def test_what_cannot_be_explained_is_the_callers_fault(service, bright, parameters, content, status, kind, words):
    response = ask(service, bright if content is None else content, **parameters)

    assert (response.status_code, slug(response)) == (status, kind)
    assert words in response.json()["detail"]


def test_half_a_picture_is_broken(service, jpeg):
    response = ask(service, jpeg[: len(jpeg) // 2])

    assert (response.status_code, slug(response)) == (422, "broken-picture")


def test_heat_maps_are_requests_and_no_predictions(service, bright):
    series = ['predictions_total{predicted_class="bright"}', "prediction_queue_seconds_count"]
    before = [value(service, name) for name in series]
    maps = value(service, 'http_requests_total{method="POST",path="/explain",status="200"}')

    assert ask(service, bright).status_code == 200

    service.until(lambda: value(service, 'http_requests_total{method="POST",path="/explain",status="200"}') == maps + 1)
    assert [value(service, name) for name in series] == before


def test_too_many_heat_maps_are_refused_and_predictions_do_not_notice(start, bright):
    service = start(TAPETUM_WORKERS="2", TAPETUM_MAX_EXPLAINS="3", TAPETUM_REQUEST_TIMEOUT_S="60")
    predict = 'http_requests_total{method="POST",path="/predict",status="200"}'
    with ThreadPoolExecutor(6) as callers:
        with frozen(service.workers()):
            waiting = ask_beyond_the_limit(callers, lambda: ask(service, bright), limit=3)

            assert value(service, "prediction_queue_pictures") == 0
            predicted = callers.submit(post, service, bright)
            # Computed and not waiting: the heat maps have one worker of the two, however many of them wait.
            service.until(lambda: value(service, "prediction_queue_pictures") == 1)
            assert value(service, "prediction_queue_age_seconds") == 0
        assert predicted.result().json()["prediction"] == "bright"
        assert [future.result().status_code for future in waiting] == [200] * 3
    service.until(lambda: value(service, predict) == 1)
    assert value(service, 'prediction_requests_shed_total{reason="overloaded"}') == 0
    assert value(service, 'http_problems_total{path="/explain",type="overloaded"}') == 2
    assert service.client.get("/api-stats").json()["errors"] == 0


def test_a_prediction_goes_before_a_heat_map_that_came_earlier(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_EXPLAINS="2", TAPETUM_REQUEST_TIMEOUT_S="60")
    with ThreadPoolExecutor(5) as callers:
        with frozen(service.workers()):
            # The worker has one heat map, and another waits.
            waiting = ask_beyond_the_limit(callers, lambda: ask(service, bright), limit=2)
            waiting.add(callers.submit(post, service, bright))
            service.until(lambda: value(service, "prediction_queue_pictures") == 1)
        assert [future.result().status_code for future in waiting] == [200] * 3

    def answered() -> list[object]:
        return [line["path"] for line in service.lines() if line.get("event") == "request" and line["status"] == 200]

    asked = ["/explain", "/predict", "/explain"]
    service.until(lambda: len([path for path in answered() if path in asked]) == 3)
    assert [path for path in answered() if path in asked] == asked


def test_a_heat_map_that_is_not_made_in_time_is_given_up(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_EXPLAINS="1", TAPETUM_REQUEST_TIMEOUT_S="60")

    with frozen(service.workers()):
        late = ask(service, bright, timeout="0.1")

    assert (late.status_code, slug(late)) == (504, "deadline-passed")
    service.until(lambda: ask(service, bright).status_code == 200)


def test_heat_maps_can_be_switched_off(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_EXPLAINS="0")

    response = ask(service, bright)

    assert (response.status_code, slug(response)) == (403, "switched-off")
    assert post(service, bright).status_code == 200
