"""What a service that ran a challenger in shadow must say before it is promoted."""

import json

import pytest
from web import says, web

from tapetum import bundle as bundles
from tapetum.bundle import Bundle, Facts
from tapetum.delivery import shadowed
from tapetum.errors import ResourceError, ServiceError
from tapetum.image import Preprocess
from tapetum.recipe import Gate

RULES = Gate(shadow_pictures=500, shadow_agreement=0.9)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Bundle]:
    """Three models by version, and a copy of the new one in int8, which has its name, version and pictures."""
    root = tmp_path_factory.mktemp("models")
    made = {name: facts(name) for name in ("old", "new", "odd")} | {"int8": facts("new", title="Pets in int8")}
    return {name: bundles.write_draft(root / name, each, {}) for name, each in made.items()}


def facts(version: str, title: str = "Pets") -> Facts:
    return Facts(
        name="pets",
        title=title,
        version=version,
        labels=("cat", "dog"),
        preprocess=Preprocess(height=16, width=16),
        architecture="simple_cnn",
        feature_map="map",
        fingerprint="f00d",
        recipe={},
        code_version="0",
    )


def stats(models: dict[str, Bundle], front: str = "old", ran: str = "new", **change: object) -> dict[str, object]:
    def named(name: str) -> dict[str, str]:
        version = models[name].facts.version
        return {"name": "pets", "version": version, "fingerprint": "f00d", "digest": bundles.digest(models[name])}

    shadow = {"model": named(ran), "compared": 500, "agreement": 0.9, "agreement_interval": [0.87, 0.92]} | change
    return {"model": named(front), "shadow": shadow}


@pytest.mark.parametrize(
    ("change", "failures"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param({"front": "odd"}, ["model in front of it"], id="behind another model"),
        pytest.param({"ran": "odd"}, ["model in shadow"], id="another one ran"),
        pytest.param({"ran": "int8"}, ["model in shadow"], id="a copy in int8 ran"),
        pytest.param({"compared": 499}, ["pictures compared in shadow"], id="not long enough"),
        pytest.param({"agreement": 0.8999}, ["agreement in shadow"], id="too often of another opinion"),
    ],
)
def test_a_shadow_counts_where_it_was_this_model_long_enough_and_agreed(models, change, failures):
    checks = shadowed.checks(stats(models, **change), models["new"], models["old"], RULES)

    assert [check.name for check in checks if not check.passed] == failures


def test_without_a_shadow_nothing_counts(models):
    checks = shadowed.checks(stats(models) | {"shadow": None}, models["new"], models["old"], RULES)

    failures = [check.name for check in checks if not check.passed]
    assert failures == ["model in shadow", "pictures compared in shadow", "agreement in shadow"]


def test_without_a_champion_any_model_may_stand_in_front(models):
    checks = shadowed.checks(stats(models), models["new"], None, RULES)

    assert "model in front of it" not in [check.name for check in checks]


def test_checks_name_models_and_figures(models):
    old, new, odd = (bundles.digest(models[name])[:12] for name in ("old", "new", "odd"))
    lines = [
        check.to_text() for check in shadowed.checks(stats(models, ran="odd"), models["new"], models["old"], RULES)
    ]

    assert lines == [
        f"pass  model in front of it: pets old with the digest {old}, demanded pets old with the digest {old}",
        f"FAIL  model in shadow: pets odd with the digest {odd}, demanded pets new with the digest {new}",
        "pass  pictures compared in shadow: 500, demanded ≥ 500",
        "pass  agreement in shadow: 0.9000 [0.8700, 0.9200], demanded ≥ 0.9000",
    ]


def test_a_service_is_asked_with_a_key(models):
    with web() as place:
        place.answers = [says(200, json.dumps(stats(models)).encode())]
        assert shadowed.ask(place.url, {"Authorization": "Bearer key"}) == stats(models)
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
