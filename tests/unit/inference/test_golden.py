"""A bundle that answers otherwise than where it was made is noticed, with how far it is off."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import ANSWERS, FACTS, Bundle
from tapetum.errors import BundleError
from tapetum.inference import golden
from tapetum.inference.engine import open_engine

Alter = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def draft(own_bundle: Path) -> Bundle:
    """An evaluated draft."""
    facts = bundles.load(own_bundle).facts.model_copy(update={"files": None})
    (own_bundle / FACTS).write_text(facts.model_dump_json())
    return bundles.load(own_bundle)


def alter(draft: Bundle, **changes: Alter) -> None:
    """Change arrays of the recorded answers."""
    with np.load(draft.path / ANSWERS) as answers:
        altered = {name: changes.get(name, lambda values: values)(answers[name]) for name in answers}
    np.savez(draft.path / ANSWERS, **altered)


def all_pixels(levels: int) -> Alter:
    """Away from the nearer of black and white, so that nothing overflows."""
    return lambda arrays: np.where(arrays < 128, arrays + levels, arrays - levels)


def one_pixel(levels: int) -> Alter:
    return lambda arrays: np.concatenate([all_pixels(levels)(arrays.ravel()[:1]), arrays.ravel()[1:]]).reshape(
        arrays.shape
    )


def one_probability(change: float) -> Alter:
    def changed(probabilities: np.ndarray) -> np.ndarray:
        copy = probabilities.copy()
        copy[3, 0] += change
        return copy

    return changed


def answers_hold(draft: Bundle, precision: str) -> bool:
    try:
        golden.check(draft, open_engine("openvino", draft, precision))
    except BundleError:
        return False
    return True


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_draft_holds_where_it_was_made(draft, precision):
    if precision == "bf16" and not machine.has_bf16():
        pytest.skip("this processor has no bf16")

    golden.check(draft, open_engine("openvino", draft, precision))


@pytest.mark.parametrize(
    ("change", "measured"),
    [
        (all_pixels(1), r"by 1\.00 grey levels on average and 1 at most"),
        (all_pixels(5), r"by 5\.00 grey levels on average and 5 at most"),
        (one_pixel(3), r"by 0\.00 grey levels on average and 3 at most"),
    ],
    ids=["each by 1", "each by 5", "one by 3"],
)
def test_pictures_that_decode_otherwise_are_refused_with_the_distance(draft, change, measured):
    alter(draft, arrays=change)

    with pytest.raises(BundleError, match=f"decode differently here, {measured}, with pil .*: install the locked"):
        golden.check(draft, open_engine("openvino", draft, "fp32"))


def test_rounding_of_a_decoder_is_let_pass(draft):
    alter(draft, arrays=one_pixel(2))

    golden.check(draft, open_engine("openvino", draft, "fp32"))


def test_other_answers_are_refused_with_the_distance(draft):
    alter(draft, probabilities=one_probability(0.25))

    with pytest.raises(
        BundleError,
        match=r"other answers from openvino in fp32: a probability is off by 0\.2[45]\d\d, the bound is 0\.001",
    ):
        golden.check(draft, open_engine("openvino", draft, "fp32"))


@pytest.mark.parametrize(("change", "holds"), [(0.0005, True), (0.002, False)])
def test_the_bound_in_fp32_is_a_thousandth(draft, change, holds):
    alter(draft, probabilities=one_probability(change))

    assert answers_hold(draft, "fp32") is holds


def test_the_bound_in_bf16_is_wider(draft):
    if not machine.has_bf16():
        pytest.skip("this processor has no bf16")
    alter(draft, probabilities=one_probability(0.005))

    assert answers_hold(draft, "bf16")
    assert not answers_hold(draft, "fp32")


def test_the_bound_in_int8_is_that_of_the_bundle(int8_path, tmp_path):
    sealed = bundles.load(shutil.copytree(int8_path, tmp_path / "bundle"))
    engine = open_engine("openvino", sealed, "int8")
    bound = sealed.facts.quantised.golden_bound
    golden.check(sealed, engine)

    alter(sealed, probabilities=one_probability(2 * bound))

    with pytest.raises(BundleError, match=f"in int8: a probability is off by .*, the bound is {bound}"):
        golden.check(sealed, engine)


def test_recorded_answers_that_are_no_numbers_are_refused(draft):
    alter(draft, probabilities=one_probability(np.nan))

    with pytest.raises(BundleError, match="off by nan"):
        golden.check(draft, open_engine("openvino", draft, "fp32"))


def test_an_evaluated_draft_that_holds_is_sealed(draft):
    sealed = golden.seal(draft)

    assert sealed.is_sealed
    assert bundles.load_sealed(draft.path) == sealed


def test_a_draft_that_was_not_evaluated_is_not_sealed(draft):
    unevaluated = bundles.amend(draft, scores={})

    with pytest.raises(BundleError, match=r"was not evaluated: run `tapetum evaluate .*bundle` first"):
        golden.seal(unevaluated)

    assert not bundles.load(draft.path).is_sealed


def test_a_draft_that_does_not_hold_is_not_sealed(draft):
    alter(draft, probabilities=one_probability(0.25))

    with pytest.raises(BundleError, match="golden pictures get other answers"):
        golden.seal(draft)

    assert not bundles.load(draft.path).is_sealed
