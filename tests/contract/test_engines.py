"""What every engine of ENGINES must do."""

import os
import threading
from collections import Counter
from threading import Event, Thread

import numpy as np
import pytest
import torch

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import Bundle
from tapetum.errors import BundleError, ConfigError, EngineError
from tapetum.inference import golden
from tapetum.inference.engine import ENGINES, open_engine
from tapetum.scores import softmax


@pytest.fixture(scope="module")
def bundle(bundle_path) -> Bundle:
    return bundles.load_sealed(bundle_path)


@pytest.fixture(params=list(ENGINES))
def engine(request, bundle):
    return open_engine(request.param, bundle, "fp32", streams=2)


def test_it_says_what_it_is(engine):
    assert engine.name in ENGINES
    assert engine.precision == "fp32"
    assert engine.device == ("cuda" if engine.name == "torch" and torch.cuda.is_available() else "cpu")


def test_outputs_are_float32_rows_of_logits_and_features(engine, bundle, rng):
    logits, features = engine.infer(rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))

    assert (logits.shape, logits.dtype) == ((3, 2), np.float32)
    assert (features.shape, features.dtype) == ((3, 256), np.float32)


def test_it_agrees_with_torch_in_fp32(engine, bundle):
    recorded = bundle.golden()

    shift = np.abs(softmax(engine.infer(recorded.arrays).logits) - recorded.probabilities).max()

    assert shift <= 1e-4


def test_the_golden_pictures_hold(engine, bundle):
    golden.check(bundle, engine)


def test_the_answer_to_a_picture_does_not_depend_on_its_batch(engine, bundle):
    arrays = bundle.golden().arrays

    together = engine.infer(arrays).logits
    alone = np.concatenate([engine.infer(array[None]).logits for array in arrays])

    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_an_answer_stays_what_it_was_after_the_next_call(engine, bundle):
    arrays = bundle.golden().arrays
    first = engine.infer(arrays)
    kept = first.logits.copy(), first.features.copy()

    engine.infer(255 - arrays)

    np.testing.assert_array_equal(first.logits, kept[0])
    np.testing.assert_array_equal(first.features, kept[1])


def test_threads_do_not_disturb_each_other(engine, bundle):
    from concurrent.futures import ThreadPoolExecutor

    arrays = bundle.golden().arrays
    expected = [engine.infer(array[None]).logits for array in arrays]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda number: engine.infer(arrays[number % len(arrays)][None]).logits, range(160)))

    for number, logits in enumerate(found):
        np.testing.assert_allclose(logits, expected[number % len(arrays)], atol=1e-5)


def test_an_array_that_may_not_be_written_to_is_taken(engine, bundle):
    array = bundle.golden().arrays[:1]
    array.flags.writeable = False

    assert engine.infer(array).logits.shape == (1, 2)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot tell a thread's cores")
@pytest.mark.parametrize("name", list(ENGINES))
def test_a_thread_that_computes_may_use_every_core(name, bundle, rng):
    """One that is pinned to the first core would share it with those of all other workers."""
    engine = open_engine(name, bundle)
    images = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    ended, computing = Event(), threading.get_native_id()
    seen: Counter[frozenset[int]] = Counter()

    def look() -> None:
        while not ended.is_set():
            seen[frozenset(os.sched_getaffinity(computing))] += 1

    looker = Thread(target=look)
    looker.start()
    while seen.total() < 100 and looker.is_alive():
        engine.infer(images)
    ended.set()
    looker.join()

    assert seen.total() >= 100
    assert set(seen) == {frozenset(os.sched_getaffinity(0))}


def test_a_wrong_shape_is_an_engine_error_that_names_both(engine):
    with pytest.raises(EngineError, match=r"\(1, 17, 16, 3\).*\(N, 16, 16, 3\)"):
        engine.infer(np.zeros((1, 17, 16, 3), np.uint8))


@pytest.mark.parametrize("name", list(ENGINES))
def test_bf16_is_given_where_it_is_had_and_refused_elsewhere(name, bundle):
    if name == "openvino" and machine.has_bf16():
        engine = open_engine(name, bundle, "bf16")
        assert engine.precision == "bf16"
        golden.check(bundle, engine)
    else:
        with pytest.raises(EngineError, match="auto or fp32"):
            open_engine(name, bundle, "bf16")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_int8_is_given_where_a_bundle_has_it_and_auto_takes_it(name, int8_path):
    bundle = bundles.load_sealed(int8_path)

    for precision in ("int8", "auto"):
        engine = open_engine(name, bundle, precision)
        assert engine.precision == "int8"
        golden.check(bundle, engine)


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_bundle_with_int8_still_computes_in_fp32(name, int8_path):
    bundle = bundles.load_sealed(int8_path)

    golden.check(bundle, open_engine(name, bundle, "fp32"))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_int8_is_refused_where_a_bundle_lacks_it_with_the_remedy(name, bundle):
    with pytest.raises(EngineError, match=r"no graph in int8: `tapetum export .* --precision int8` .* auto"):
        open_engine(name, bundle, "int8")


def test_torch_stays_the_reference_in_fp32(int8_path):
    bundle = bundles.load_sealed(int8_path)

    assert open_engine("torch", bundle).precision == "fp32"
    with pytest.raises(EngineError, match="auto or fp32"):
        open_engine("torch", bundle, "int8")


@pytest.mark.parametrize("name", list(ENGINES))
def test_the_processor_can_be_chosen(name, bundle):
    assert open_engine(name, bundle, device="cpu").device == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a CUDA device, and nothing to refuse")
@pytest.mark.parametrize("name", list(ENGINES))
def test_cuda_that_cannot_be_had_is_an_engine_error_with_the_remedy(name, bundle):
    with pytest.raises(EngineError, match=r"CUDA.*set the device to auto or cpu"):
        open_engine(name, bundle, device="cuda")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_graph_that_is_none_is_an_engine_error(name, own_bundle):
    (own_bundle / "model.onnx").write_bytes(b"no graph")
    broken = Bundle(own_bundle, bundles.Facts.model_validate_json((own_bundle / "bundle.json").read_text()))

    with pytest.raises(EngineError, match="cannot run"):
        open_engine(name, broken)


def test_an_unknown_engine_lists_the_known(bundle):
    with pytest.raises(ConfigError, match="expected one of openvino, onnxruntime, torch"):
        open_engine("tensorflow", bundle)


def test_a_bundle_of_other_weights_is_refused_by_torch(own_bundle):
    facts = bundles.Facts.model_validate_json((own_bundle / "bundle.json").read_text())
    three = Bundle(own_bundle, facts.model_copy(update={"labels": ("a", "b", "c")}))

    with pytest.raises(EngineError, match="does not fit simple_cnn"):
        open_engine("torch", three)


def test_golden_answers_are_checked_against_what_this_machine_computes(own_bundle):
    facts = bundles.Facts.model_validate_json((own_bundle / "bundle.json").read_text())
    with np.load(own_bundle / bundles.ANSWERS) as answers:
        altered = {**answers, "probabilities": answers["probabilities"][:, ::-1]}
    np.savez(own_bundle / bundles.ANSWERS, **altered)
    changed = Bundle(own_bundle, facts)

    with pytest.raises(BundleError, match="golden pictures get other answers"):
        golden.check(changed, open_engine("openvino", changed))
