"""A real service that is told what its pictures showed, and keeps some of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from running import Service, running, serve_command, slug

from tapetum.watch.feedback import RealisedFigures

OPERATOR, CALLER = "an-operator-key-of-night-shift", "an-api-key-of-the-shop"
AS_OPERATOR, AS_CALLER = {"X-API-Key": OPERATOR}, {"X-API-Key": CALLER}


class Keeping(NamedTuple):
    """A service that keeps every picture, for whoever has a key, and where it does."""

    service: Service
    place: Path

    def predict(self, *pictures: bytes) -> httpx.Response:
        files = [("files", picture) for picture in pictures]
        return self.service.client.post("/predict/batch", files=files, headers=AS_CALLER)

    def say(self, content: object, headers: dict[str, str] = AS_CALLER) -> httpx.Response:
        return self.service.client.post("/feedback", content=json.dumps(content), headers=headers)

    def realised(self) -> RealisedFigures:
        stats = self.service.client.get("/model-stats", headers=AS_OPERATOR).json()
        return RealisedFigures.model_validate(stats["realised"])

    def series(self, name: str) -> dict[str, float]:
        """Samples by the labels as they are written."""
        lines = [line for line in self.service.client.get("/metrics").text.splitlines() if line.startswith(name)]
        return {line.split()[0].removeprefix(name): float(line.split()[1]) for line in lines}

    def kept(self, number: int) -> list[dict[str, object]]:
        """The facts of so many pictures, once they are there."""
        self.service.until(lambda: self.series("kept_pictures") | {"": number} == self.series("kept_pictures"))
        return [json.loads(path.read_text()) for path in sorted(self.place.glob("*.json"))]


def variables(folder: Path, place: Path) -> dict[str, str]:
    (folder / "callers").write_text(CALLER)
    (folder / "operators").write_text(OPERATOR)
    return {
        "TAPETUM_API_KEYS_FILE": str(folder / "callers"),
        "TAPETUM_OPERATOR_KEYS_FILE": str(folder / "operators"),
        "TAPETUM_KEEP_PICTURES_DIR": str(place),
        "TAPETUM_KEEP_PICTURES_SHARE": "1",
        "TAPETUM_WORKERS": "1",
    }


@pytest.fixture(scope="module")
def keeping(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeping]:
    folder = tmp_path_factory.mktemp("keeping")
    place = folder / "kept"
    with running(serve_command(bundle_path), folder / "log", **variables(folder, place)) as service:
        yield Keeping(service, place)


def test_what_is_said_is_counted_and_told(keeping, photos):
    """Of three pictures two are judged; of one somebody changes their mind."""
    before = keeping.series("feedback_total")
    answer = keeping.predict(*photos).json()
    first, second, third = (result["prediction"] for result in answer["results"])
    other = {"bright": "dark", "dark": "bright"}
    word = {"request_id": answer["request_id"]}

    keeping.say(word | {"label": first})
    keeping.say(word | {"picture": 1, "label": other[second]}, AS_OPERATOR)
    keeping.say(word | {"picture": 2, "label": third})
    heard = keeping.say(word | {"picture": 2, "label": other[third]})

    assert heard.status_code == 200
    assert heard.json() == word | {
        "picture": 2,
        "prediction": third,
        "label": other[third],
        "correct": False,
        "replaced": third,
        "version": answer["model"]["version"],
    }
    realised = keeping.realised()
    assert (realised.answers, realised.right, realised.accuracy) == (3, 1, pytest.approx(1 / 3, abs=1e-4))
    assert 0 < realised.low < 1 / 3 < realised.high < 1
    assert realised.classes[second].right < realised.classes[second].answers
    grown = {labels: value - before[labels] for labels, value in keeping.series("feedback_total").items()}
    assert grown == {'{outcome="right"}': 2, '{outcome="wrong"}': 2}
    judged = keeping.series("judged_predictions")
    assert len(judged) == 4
    assert sum(judged.values()) == 3
    assert sum(number for labels, number in judged.items() if 'outcome="right"' in labels) == 1
    stats = keeping.service.client.get("/model-stats", headers=AS_OPERATOR).json()
    assert keeping.series("model_test_accuracy_ratio") == {"": pytest.approx(stats["test_accuracy"], abs=1e-4)}


@pytest.mark.parametrize(
    ("change", "status", "kind", "words"),
    [
        ({"request_id": "nobodys"}, 404, "unknown-answer", "last 100,000 requests that it answered itself, for 24 hou"),
        ({"picture": 1}, 404, "unknown-answer", "it had 1, counted from 0"),
        ({"label": "horse"}, 422, "unknown-label", "expected one of the 2 classes: bright, dark"),
        ({"label": None}, 400, "malformed-request", "label: Input should be a valid string; expected such as"),
        ({"picture": -1}, 400, "malformed-request", "picture: Input should be greater than or equal to 0"),
        ({"request_id": "x" * 129}, 400, "malformed-request", "request_id: String should have at most 128"),
        ({"note": "x" * 10_000}, 413, "body-too-large", "more than 10000 bytes"),
    ],
    ids=["unknown", "no such picture", "label", "no label", "negative", "long id", "long"],
)
def test_what_cannot_be_taken_is_a_problem_that_says_why_and_counts_nothing(
    keeping, bright, change, status, kind, words
):
    before = keeping.series("feedback_total")
    request_id = keeping.predict(bright).json()["request_id"]

    refused = keeping.say({"request_id": request_id, "label": "bright"} | change)

    assert (refused.status_code, slug(refused)) == (status, kind)
    assert words in refused.json()["detail"]
    assert keeping.series("feedback_total") == before


def test_feedback_takes_a_key_and_a_json_object(keeping):
    assert keeping.say({}, headers={}).status_code == 401
    assert keeping.say([]).json()["detail"] == "the request is no JSON object"


def test_feedback_is_about_answers_of_the_open_inference_protocol_too(keeping, pixels):
    tensor = {"name": "pixels", "shape": [1, 16, 16, 3], "datatype": "UINT8", "data": pixels[:1].ravel().tolist()}
    name = keeping.service.client.get("/model-stats", headers=AS_OPERATOR).json()["model"]["name"]
    answer = keeping.service.client.post(
        f"/v2/models/{name}-tensor/infer",
        json={"inputs": [tensor]},
        headers=AS_CALLER | {"X-Request-ID": "of-the-protocol"},
    )
    assert answer.status_code == 200, answer.text

    assert keeping.say({"request_id": "of-the-protocol", "label": "bright"}).status_code == 200


def test_what_is_kept_outlives_the_service_and_becomes_a_labelled_folder(
    bundle_path, tmp_path, trained, run_until_exit
):
    """Eighty pictures and one that is none; all but two are labelled, and one of these by hand."""
    place, settings = tmp_path / "kept", variables(tmp_path, tmp_path / "kept")
    pictures = {path: path.parent.name for path in sorted((trained / "pictures").glob("*/*.png"))}
    with running(serve_command(bundle_path), tmp_path / "log", **settings) as service:
        keeping = Keeping(service, place)
        for start in range(0, len(pictures), 20):
            some = list(pictures)[start : start + 20]
            request_id = keeping.predict(*(path.read_bytes() for path in some)).json()["request_id"]
            keeping.kept(start + len(some))  # so that none comes faster than it is written
            for number, path in enumerate(some):
                if path.name != "00.png":
                    word = {"request_id": request_id, "picture": number, "label": pictures[path]}
                    assert keeping.say(word).status_code == 200
        keeping.predict(b"no picture")
        service.process.terminate()
        assert service.process.wait(30) == 0

    with running(serve_command(bundle_path), tmp_path / "log", **settings) as service:
        keeping = Keeping(service, place)
        facts = keeping.kept(80)
        assert keeping.series("kept_pictures_size_bytes") == {"": sum(path.stat().st_size for path in place.iterdir())}
        gone = keeping.say({"request_id": str(facts[0]["request_id"]), "label": "dark"})
        assert slug(gone) == "unknown-answer"

    originals = {path.read_bytes(): label for path, label in pictures.items()}
    assert {(place / str(each["picture"])).read_bytes() for each in facts} == set(originals)
    unlabelled = [each for each in facts if each["label"] is None]
    assert len(unlabelled) == 2
    by_hand = unlabelled[0] | {"label": originals[(place / str(unlabelled[0]["picture"])).read_bytes()]}
    (place / str(by_hand["picture"])).with_suffix(".json").write_text(json.dumps(by_hand))

    def run(*arguments: str) -> tuple[int, str]:
        ended = run_until_exit("data", *arguments)
        return ended.returncode, ended.stdout

    fetch = ("fetch", "feedback", "--from", "kept", "--to", "photos")
    counts = "0 in conflict, 1 without a label left out"
    assert run(*fetch) == (0, f"kept → photos: 79 added, 0 there already, {counts}\n")
    assert run(*fetch) == (0, f"kept → photos: 0 added, 79 there already, {counts}\n")
    found = {path.read_bytes(): path.parent.name for path in (tmp_path / "photos").glob("*/*.png")}
    assert len(found) == 79
    assert found.items() <= originals.items()
    assert run("check", "photos", "--fail-on", "broken,conflict,duplicate")[0] == 0
    assert run("split", "photos", "--out", "manifest.json")[0] == 0


def test_without_keys_feedback_is_off_and_a_folder_that_cannot_be_costs_pictures_only(start, bright):
    service = start(TAPETUM_KEEP_PICTURES_DIR="/dev/null/kept", TAPETUM_KEEP_PICTURES_SHARE="1")
    keeping = Keeping(service, Path("/dev/null/kept"))

    answers = [keeping.predict(bright) for _ in range(3)]
    refused = keeping.say({"request_id": answers[0].json()["request_id"], "label": "bright"})

    assert [answer.status_code for answer in answers] == [200] * 3
    assert (refused.status_code, slug(refused)) == (403, "switched-off")
    assert "set TAPETUM_API_KEYS_FILE or TAPETUM_OPERATOR_KEYS_FILE" in refused.json()["detail"]
    service.until(lambda: keeping.series("kept_pictures_lost_total")['{reason="disk"}'] == 3)
    assert service.logged(event="pictures cannot be kept")[0]["reason"] == "Not a directory"
