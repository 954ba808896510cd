"""The training loop: repeatable, learning, and loud when it goes wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tapetum.errors import TrainingError
from tapetum.image import Preprocess
from tapetum.models.network import Network
from tapetum.progress import Advance, silent
from tapetum.recipe import Augment, Model, Train
from tapetum.scores import log_loss, softmax
from tapetum.training.fit import EpochResult, Pictures, fit, lr_factor
from tapetum.training.step import infer

STRONG = Augment(flip=True, rotation_deg=10, min_scale=0.8, brightness=0.2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads wait for each other spinning, which costs seconds where the cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count: int, seed: int = 0) -> Pictures:
    """16×16 noise around a dark mean for label 0 and a bright one for label 1."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(seed).normal(70 + 110 * labels[:, None, None, None], 30, (count, 16, 16, 3))
    return Pictures(noise.clip(0, 255).astype(np.uint8), labels)


def run(
    count: int = 24, augment: Augment = STRONG, advance: Advance = silent, **choices: object
) -> tuple[Network, list[EpochResult]]:
    """A new network after training, with what each epoch brought."""
    chosen = Train.model_validate({"epochs": 2, "batch_size": 8, "precision": "fp32"} | choices)
    torch.manual_seed(0)
    network = Network(Model(dropout=0.5), 2, Preprocess(height=16, width=16))
    return network, list(fit(network, pictures(count), pictures(8, seed=1), chosen, augment, advance))


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    torch.set_num_threads(2)

    one, two = (run(epochs=1)[0].state_dict() for _ in range(2))

    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_seed_gives_other_weights():
    one, two = (run(epochs=1, seed=seed)[0].state_dict() for seed in (0, 1))

    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_the_loss_falls_on_an_easy_set():
    _, results = run(augment=Augment(), epochs=6, warmup_share=0)

    assert results[-1].train_loss < 0.5 * results[0].train_loss
    assert results[-1].val_accuracy == 1


def test_figures_are_those_of_an_epoch():
    _, results = run(lr=0.002, warmup_share=0)

    assert [result.epoch for result in results] == [1, 2]
    assert results[0].lr == 0.002
    for result in results:
        figures = (result.train_accuracy, result.val_accuracy, result.val_precision, result.val_recall, result.val_f1)
        assert all(type(figure) is float and 0 <= figure <= 1 for figure in figures)
        assert all(type(figure) is float and figure > 0 for figure in (result.train_loss, result.val_loss))


def test_accuracies_count_pictures():
    _, (result,) = run(epochs=1)

    assert result.train_accuracy * 24 == pytest.approx(round(result.train_accuracy * 24))
    assert result.val_accuracy * 8 == pytest.approx(round(result.val_accuracy * 8))


def test_validation_is_measured_as_in_use():
    network, (result,) = run(epochs=1)
    val = pictures(8, seed=1)

    logits = infer(network.eval(), val.pixels, bf16=False)

    assert result.val_loss == pytest.approx(log_loss(softmax(logits), val.labels))


def test_the_rate_of_an_epoch_is_that_of_its_first_step():
    _, results = run(epochs=3, lr=0.002)

    assert [result.lr for result in results] == pytest.approx([0.002 * lr_factor(step, 9, 0.1) for step in (0, 3, 6)])


def test_results_come_epoch_by_epoch():
    network = Network(Model(dropout=0.0), 2, Preprocess(height=16, width=16))
    results = fit(network, pictures(8), pictures(4), Train(epochs=1000, precision="fp32"), Augment())

    assert next(results).epoch == 1
    results.close()


def test_a_training_loss_that_is_not_finite_names_epoch_and_rate():
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 1: lower train\.lr, which is 1e\+30"):
        run(lr=1e30, warmup_share=0)


def test_validation_answers_that_are_not_finite_are_an_error_too():
    """The last step of a run is seen by no further training loss."""
    with pytest.raises(TrainingError, match=r"not finite in epoch 1: lower train\.lr, which is 1e\+30"):
        run(lr=1e30, warmup_share=0, epochs=1, batch_size=24)


def test_bf16_trains_weights_that_stay_fp32():
    network, results = run(precision="bf16", augment=Augment(), epochs=6)

    assert results[-1].val_accuracy == 1
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("count", [24, 25], ids=["whole batches", "a rest of one"])
def test_progress_ends_at_its_total(count):
    calls = []
    run(count, advance=lambda *call: calls.append(call))

    done = [done for _, done, _ in calls]
    assert {(stage, total) for stage, _, total in calls} == {("train", calls[-1][1])}
    assert done == sorted(set(done))


def test_a_rest_of_one_picture_does_not_stretch_the_schedule():
    """It is no step, so 9 pictures in batches of 8 cool down as 8 pictures do."""
    with_rest, without = (run(count, epochs=6)[1] for count in (9, 8))

    assert [result.lr for result in with_rest] == pytest.approx([result.lr for result in without])


def test_the_rate_warms_up_peaks_and_cools_to_zero():
    factors = [lr_factor(step, 100, 0.1) for step in range(100)]

    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert max(factors) == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 <= factors[-1] < 0.001


@pytest.mark.parametrize(("step", "factor"), [(10, 1.0), (55, 0.5), (100, 0.0), (120, 0.0)])
def test_the_cooling_is_half_a_cosine(step, factor):
    assert lr_factor(step, 100, 0.1) == pytest.approx(factor)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_step_in_all_takes_the_whole_rate(share):
    assert lr_factor(0, 1, share) == 1
