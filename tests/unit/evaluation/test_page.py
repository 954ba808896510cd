"""The report of a run shows every figure and picture that it promises, for two classes and for a hundred."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import encode
from pages import Page, assert_asks_nobody, assert_has_order
from PIL import Image

from tapetum.bundle import Facts
from tapetum.data.manifest import Manifest
from tapetum.data.sample import PARTS, Sample
from tapetum.evaluation import page as pages
from tapetum.evaluation.gallery import MOST_CLASSES, MOST_EXAMPLES, MOST_MISTAKES, examples, examples_section, mistakes
from tapetum.evaluation.gate import Check, Verdict
from tapetum.evaluation.history import Epoch
from tapetum.evaluation.measure import Measured
from tapetum.image import Preprocess
from tapetum.inference.explain import Explanation
from tapetum.scores import score, softmax

PLOTS = {
    "Confusion matrix",
    "Recall of each class",
    "ROC",
    "Precision and recall",
    "Before temperature scaling",
    "After temperature scaling",
    "Confidence of right and wrong answers",
}
CURVES = {"Loss", "Accuracy", "Learning rate"}
VERDICT = Verdict("x", "0", False, [Check("accuracy in fp32", False, "0.1 (<i>)", "≥ 0.9")])
EPOCHS = [
    Epoch(
        epoch=number,
        lr=0.1 / number,
        train_loss=2 / number,
        train_accuracy=0.5,
        val_loss=1 / number,
        val_accuracy=1 - 0.5 / number,
        seconds=20,
        is_kept=number == 3,
    )
    for number in (1, 2, 3)
]


def measured(n_classes: int, each: int = 8, gain: float = 2.5) -> Measured:
    """Answers to `each` pictures of each class; the larger `gain`, the more of them are right."""
    rng = np.random.default_rng(n_classes)
    truth = np.repeat(np.arange(n_classes), each)
    logits = rng.normal(0, 1, (len(truth), n_classes)) + gain * np.eye(n_classes)[truth]
    return Measured(
        [f"{row}" for row in range(len(truth))],
        logits.astype(np.float32),
        truth,
        np.zeros((len(truth), 1)),
        np.zeros((len(truth), 0)),
    )


def report(
    root: Path, test: Measured, labels: tuple[str, ...], epochs: list[Epoch] = EPOCHS, path: str = "a.png"
) -> str:
    (root / path).write_bytes(encode(np.full((8, 8, 3), 90, np.uint8), "PNG"))
    samples = [Sample(path, labels[row], "test", digest) for row, digest in zip(test.truth, test.digests, strict=True)]
    others = [Sample(path, label, part, "") for label in labels for part in PARTS[:2]]
    manifest = Manifest(root, labels, others + samples, [], "fingerprint 0")
    facts = Facts(
        name="pets",
        title="Pets",
        version="1a2b",
        labels=labels,
        preprocess=Preprocess(height=16, width=24),
        architecture="simple_cnn",
        feature_map="map",
        temperature=1.5,
        scores={"fp32": score(softmax(test.logits, 1.5), test.truth, labels)},
        fingerprint="fingerprint 0",
        recipe={"source": None, "train": {"epochs": 3, "lr": 0.1}},
        code_version="0",
    )
    return pages.page(facts, manifest, test, VERDICT, epochs, {"processor": "Abacus 9000"}, explained)


def explained(picture: Image.Image) -> Explanation:
    """Heat in the upper left corner of whatever picture."""
    evidence = np.zeros((4, 4), np.float32)
    evidence[0, 0] = 1
    return Explanation("class 00", "grad-cam", np.ones(1), evidence, (0, 0, 1, 1))


def numbered(n_classes: int) -> tuple[str, ...]:
    return tuple(f"class {number:02}" for number in range(n_classes))


def titles(page: Page) -> set[str]:
    return set(re.findall("<strong>(.*?)</strong>", page.content))


Make = Callable[..., Page]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def page(test: Measured, labels: tuple[str, ...] | None = None, **options: object) -> Page:
        return Page(report(tmp_path, test, labels or numbered(test.logits.shape[1]), **options))

    return page


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(report(tmp_path_factory.mktemp("three"), measured(3), numbered(3)))


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_any_number_of_classes_gets_every_plot(make, n_classes):
    found = make(measured(n_classes, each=4))

    assert titles(found) == PLOTS | CURVES
    assert len([plot for plot in found.of("svg") if plot["role"] == "img" and plot["aria-label"]]) == len(
        PLOTS | CURVES
    )
    assert_asks_nobody(found)
    assert_has_order(found)
    assert len(found.content) < 1_000_000


def test_the_top_says_what_it_is_and_whether_it_passed(three):
    top = " ".join(three.text.split("Gate")[0].split())

    assert "pets 1a2b: simple_cnn, 24×16 pixels, 3 classes" in top
    assert "✗ Did not pass its gate" in top
    assert "on 24 test pictures" in top
    assert "Pictures: 3 train, 3 val, 24 test; 0 left out." in top
    assert "fingerprint 0" in top


@pytest.mark.parametrize(
    "words",
    ["accuracy in fp32", "0.1 (<i>)", "≥ 0.9", "train.lr", "Abacus 9000", "calibration error", "3 epochs in 60 s"],
)
def test_tables_hold_gate_scores_recipe_and_machine(three, words):
    assert words in three.text


def test_the_epoch_that_was_kept_is_named(three):
    assert "Epoch 3 was kept" in three.text


def test_the_same_run_gives_the_same_bytes(three, tmp_path):
    assert report(tmp_path, measured(3), numbered(3)) == three.content


def test_a_model_trained_elsewhere_has_no_curves_and_says_so(make):
    found = make(measured(3), epochs=[])

    assert titles(found) == PLOTS
    assert "its model was trained elsewhere" in found.text


def test_a_single_epoch_is_told_in_words(make):
    found = make(measured(3), epochs=EPOCHS[:1])

    assert titles(found) == PLOTS
    assert (
        f"1 epoch in {EPOCHS[0].seconds:.0f} s: {EPOCHS[0].val_accuracy:.2%} right on the validation part" in found.text
    )


def test_sizes_are_drawn_where_they_changed_while_training(make):
    grown = [epoch.model_copy(update={"size": 32 * epoch.epoch}) for epoch in EPOCHS]

    assert titles(make(measured(3), epochs=grown)) == PLOTS | CURVES | {"Height of training pictures"}


def test_names_are_text_wherever_they_come_from(make):
    hostile = "<script>alert('$x$')<!--"
    labels = (hostile, "κόσμος _ 狗", '"><img src=x onerror=alert(1)>', "_\x07\n&amp; $")

    found = make(measured(4), labels, path=hostile.replace("/", "") + ".png")

    assert found.of("script") == []
    assert {str(picture["src"])[:5] for picture in found.of("img")} == {"data:"}
    assert hostile in found.text
    # In plots labels are cut; the browser draws letters that the drawing library has not.
    assert found.text.count("κόσμος _ 狗") > 8
    assert "<script>a…x$')<!--" in found.text
    assert_asks_nobody(found)


def test_no_mistakes_are_a_page_too(make):
    found = make(measured(3, gain=50))

    assert titles(found) == PLOTS | CURVES
    assert "None: all of 24 pictures were answered rightly." in found.text


def test_nothing_but_mistakes_is_a_page_too(make):
    test = measured(3, each=20, gain=-50)

    found = make(test)

    assert titles(found) == PLOTS | CURVES
    assert f"The {MOST_MISTAKES} surest of 60 wrong answers" in found.text
    assert found.text.count("None of 20 pictures was answered rightly.") == 3


def test_each_mistake_has_its_heat_map_and_nothing_else_has(make):
    found = make(measured(3, each=20, gain=0.5))

    pictures = found.of("img")
    maps = [picture for picture in pictures if picture["alt"] == "its heat map"]
    assert len(maps) == MOST_MISTAKES < len(pictures) - MOST_MISTAKES
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(maps[0]["src"]).partition(",")[2]))))
    assert np.ptp(drawn[0, 0].astype(int)) > 60
    assert np.ptp(drawn[-1, -1].astype(int)) < 30


def test_a_class_without_test_pictures_has_no_curve_and_no_examples(make):
    test = measured(3)
    present = test.truth < 2
    less = replace(test, logits=test.logits[present], truth=test.truth[present], digests=test.digests[:16])

    found = make(less)

    assert "–" in found.text.split("average precision")[-1]
    assert "class 02" not in {text.strip() for text in re.findall("<h3>(.*?)</h3>", found.content)}


def test_test_pictures_of_a_single_class_have_no_roc(make):
    test = measured(3)
    one = replace(test, logits=test.logits[:8], truth=test.truth[:8], digests=test.digests[:8])

    assert titles(make(one)) == (PLOTS | CURVES) - {"ROC"}


def test_of_many_classes_the_weakest_have_examples(tmp_path):
    test = measured(12, gain=3)
    samples = [Sample("a.png", f"class {row:02}", "test") for row in test.truth]

    section = examples_section(tmp_path, samples, numbered(12), softmax(test.logits), test.truth)

    hits = [(test.logits[test.truth == row].argmax(axis=1) == row).mean() for row in range(12)]
    shown = [int(name[-2:]) for name in re.findall("<h3>(class .*?)</h3>", section)]
    assert len(shown) == MOST_CLASSES
    assert max(hits[row] for row in shown) <= min(hits[row] for row in set(range(12)) - set(shown))


def test_the_most_frequent_confusions_are_listed_first(make):
    test = measured(3, each=10, gain=50)
    logits = test.logits.copy()
    logits[10:16] = logits[0]  # six of class 01 are taken for 00
    logits[25] = logits[10 + 9]  # and one of 02 for 01

    found = make(replace(test, logits=logits))

    rows = found.content.split("Most frequent</h3>")[1].split("</table>")[0].split("<tr>")[2:]
    assert [re.findall(">([^<]+)</t[dh]>", row) for row in rows] == [
        ["class 01", "class 00", "6", "60.0%"],
        ["class 02", "class 01", "1", "10.0%"],
    ]


def test_mistakes_are_the_wrong_answers_by_confidence():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])

    assert mistakes(probabilities, np.array([1, 1, 1, 0])).tolist() == [1, 3, 0]


def test_examples_are_right_answers_from_both_ends_and_none_twice():
    shares = np.array([0.6, 0.9, 0.8, 0.7, 0.99, 0.4])
    probabilities = np.stack([shares, 1 - shares], axis=1)

    surest, least_sure = examples(probabilities, np.zeros(6, int), 0)

    assert (surest.tolist(), least_sure.tolist()) == ([4, 1, 2], [0, 3])
    assert len(surest) == MOST_EXAMPLES
