"""What a service that ran a challenger in shadow must say before it is promoted."""

import json

import pytest
from web import says, web

from tapetum.bundle import Facts
from tapetum.delivery import shadowed
from tapetum.errors import ResourceError, ServiceError
from tapetum.image import Preprocess
from tapetum.recipe import Gate

RULES = Gate(shadow_pictures=500, shadow_agreement=0.9)


def facts(version: str) -> Facts:
    return Facts(
        name="pets",
        title="Pets",
        version=version,
        labels=("cat", "dog"),
        preprocess=Preprocess(height=16, width=16),
        architecture="simple_cnn",
        feature_map="map",
        fingerprint="f00d",
        recipe={},
        code_version="0",
    )


def named(version: str) -> dict[str, str]:
    return {"name": "pets", "version": version, "fingerprint": "f00d"}


def stats(front: str = "old", ran: str = "new", **change: object) -> dict[str, object]:
    shadow = {"model": named(ran), "compared": 500, "agreement": 0.9, "agreement_interval": [0.87, 0.92]} | change
    return {"model": named(front), "shadow": shadow}


@pytest.mark.parametrize(
    ("said", "failures"),
    [
        pytest.param(stats(), [], id="fine"),
        pytest.param(stats(front="other"), ["model in front of it"], id="behind another model"),
        pytest.param(stats(ran="other"), ["model in shadow"], id="another one ran"),
        pytest.param(stats(compared=499), ["pictures compared in shadow"], id="not long enough"),
        pytest.param(stats(agreement=0.8999), ["agreement in shadow"], id="too often of another opinion"),
        pytest.param(
            {"model": named("old"), "shadow": None},
            ["model in shadow", "pictures compared in shadow", "agreement in shadow"],
            id="no shadow",
        ),
    ],
)
def test_a_shadow_counts_where_it_was_this_model_long_enough_and_agreed(said, failures):
    checks = shadowed.checks(said, facts("new"), facts("old"), RULES)

    assert [check.name for check in checks if not check.passed] == failures


def test_without_a_champion_any_model_may_stand_in_front():
    assert "model in front of it" not in [check.name for check in shadowed.checks(stats(), facts("new"), None, RULES)]


def test_checks_name_models_and_figures():
    lines = [check.to_text() for check in shadowed.checks(stats(ran="odd"), facts("new"), facts("old"), RULES)]

    assert lines == [
        "pass  model in front of it: pets old of pictures f00d, demanded pets old of pictures f00d",
        "FAIL  model in shadow: pets odd of pictures f00d, demanded pets new of pictures f00d",
        "pass  pictures compared in shadow: 500, demanded ≥ 500",
        "pass  agreement in shadow: 0.9000 [0.8700, 0.9200], demanded ≥ 0.9000",
    ]


def test_a_service_is_asked_with_a_key():
    with web() as place:
        place.answers = [says(200, json.dumps(stats()).encode())]
        assert shadowed.ask(place.url, {"Authorization": "Bearer key"}) == stats()
        assert place.asked[0]["Authorization"] == "Bearer key"


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (401, b"no key", ServiceError, "/model-stats answers 401: no key"),
        (200, b"<html>", ResourceError, "is no answer of Tapetum: '<html>'"),
        (200, b"[]", ResourceError, "is no answer of Tapetum"),
    ],
    ids=["refused", "a page", "a list"],
)
def test_another_answer_is_told(status, body, error, message):
    with web() as place:
        place.answers = [says(status, body)]
        with pytest.raises(error, match=message):
            shadowed.ask(place.url, {})


def test_a_service_that_is_away_is_told():
    with web() as place:
        url = place.url

    with pytest.raises(ResourceError, match="does not answer"):
        shadowed.ask(url, {})
