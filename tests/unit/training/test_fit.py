"""The training loop: repeatable, learning, and loud when it goes wrong."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum.data.loader import Pictures, steps_of
from tapetum.errors import ConfigError, TrainingError
from tapetum.image import Preprocess
from tapetum.models.network import Network
from tapetum.progress import Advance, silent
from tapetum.recipe import Augment, Train
from tapetum.scores import log_loss, softmax
from tapetum.training.fit import EpochResult, Position, Stage, fit
from tapetum.training.learner import Learner, class_weights, lr_factor
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
    return Pictures(noise.clip(0, 255).astype(np.uint8), labels, [f"{row}.png" for row in range(count)])


def learner(count: int = 24, **choices: object) -> tuple[Learner, Train]:
    """A new network, and how it shall learn from `count` pictures."""
    chosen = Train.model_validate({"epochs": 2, "batch_size": 8, "precision": "fp32"} | choices)
    torch.manual_seed(0)
    network = Network("simple_cnn", 2, Preprocess(height=16, width=16), dropout=0.5)
    return Learner(network, chosen, chosen.epochs * steps_of(count, chosen.batch_size)), chosen


def run(
    count: int = 24, augment: Augment = STRONG, advance: Advance = silent, **choices: object
) -> tuple[Network, list[EpochResult]]:
    """The learned network after training, with what each epoch brought."""
    student, chosen = learner(count, **choices)
    stages = [Stage(pictures(count), (16, 16))] * chosen.epochs
    results = list(fit(student, stages, pictures(8, seed=1), chosen, augment, Position(), advance=advance))
    return student.learned, results


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
    student, chosen = learner(8, epochs=1000)
    stages = [Stage(pictures(8), (16, 16))] * 1000
    results = fit(student, stages, pictures(4), chosen, Augment(), Position())

    assert next(results).epoch == 1
    results.close()


def test_a_training_loss_that_is_not_finite_names_epoch_and_rate():
    with pytest.raises(
        TrainingError,
        match=r"the loss is nan in epoch 1: lower train\.lr, which is 1e\+30, .* of its batch: \d+\.png, ",
    ):
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

    assert calls == [("train", done, 6) for done in range(1, 7)]


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


def test_averaged_weights_are_another_network_than_the_one_that_learns():
    student, chosen = learner(ema=0.9)
    results = list(fit(student, [Stage(pictures(24), (16, 16))] * 2, pictures(8, seed=1), chosen, STRONG, Position()))

    averaged, last = student.learned.state_dict(), student.network.state_dict()
    assert averaged.keys() == last.keys()
    assert not torch.equal(averaged["backbone.fc.4.weight"], last["backbone.fc.4.weight"])
    logits = infer(student.learned.eval(), pictures(8, seed=1).pixels, bf16=False)
    assert results[-1].val_loss == pytest.approx(log_loss(softmax(logits), pictures(8, seed=1).labels))


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_both_optimisers_learn(optimiser):
    _, results = run(augment=Augment(), epochs=6, optimiser=optimiser, lr=0.01, clip_norm=1.0, label_smoothing=0.1)

    assert results[-1].val_accuracy == 1


def test_biases_and_normalisation_do_not_decay():
    """With a rate so small that gradients do nothing, what moves was moved by decay."""
    network, _ = run(lr=1e-9, weight_decay=1e6, optimiser="sgd", momentum=0, epochs=1, warmup_share=0)
    torch.manual_seed(0)
    fresh = Network("simple_cnn", 2, Preprocess(height=16, width=16)).state_dict()

    for name, value in network.named_parameters():
        assert torch.allclose(value, fresh[name], atol=1e-6) == (value.ndim == 1), name


def test_mixed_pictures_are_learned_from():
    _, results = run(augment=Augment(mixup=0.2, cutmix=1), epochs=8)

    assert results[-1].val_accuracy == 1


def test_each_epoch_learns_at_its_size():
    student, chosen = learner(epochs=2)
    stages = [Stage(pictures(24), (8, 8)), Stage(pictures(24), (16, 16))]

    results = list(
        fit(student, [stages[0]._replace(size=(16, 24)), stages[1]], pictures(8), chosen, STRONG, Position())
    )

    assert [result.size for result in results] == [16, 16]


def test_training_stops_when_nothing_gets_better():
    """At a rate of nearly nothing the first epoch stays the best."""
    _, results = run(lr=1e-12, epochs=50, patience=3, optimiser="sgd", augment=Augment())

    best = max(results, key=lambda result: (result.val_accuracy, -result.val_loss)).epoch
    assert len(results) == best + 3 < 50


def test_a_run_in_pieces_ends_with_the_weights_of_one_in_one_piece():
    whole, results = run(augment=Augment(mixup=0.3, flip=True), epochs=3, ema=0.9)
    stages = [Stage(pictures(24), (16, 16))] * 3
    position, state, pieces = Position(), None, []

    for _ in range(20):
        student, chosen = learner(epochs=3, ema=0.9)
        if state:
            student.restore(state)
        asked = iter([False, True])
        pieces += list(
            fit(
                student,
                stages,
                pictures(8, seed=1),
                chosen,
                Augment(mixup=0.3, flip=True),
                position,
                stop=lambda asked=asked: next(asked),
            )
        )
        state = student.state()
        if position.is_over(chosen):
            break

    assert position.is_over(chosen)
    assert [(p.train_loss, p.val_loss, p.lr) for p in pieces] == [(r.train_loss, r.val_loss, r.lr) for r in results]
    for name, value in student.learned.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_rare_classes_weigh_more_and_a_picture_weighs_one_on_average():
    labels = np.array([0] * 9 + [2])

    weights = class_weights(labels, 3)

    assert weights[labels].mean() == pytest.approx(1)
    assert weights[0] * 9 == pytest.approx(weights[2])


def test_weights_of_classes_change_what_is_learned():
    """Of labels that nothing in the pictures explains, the weighted network does not bet on the frequent one."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 28 + [1] * 4)
    part = Pictures(rng.integers(0, 256, (32, 16, 16, 3), dtype=np.uint8), labels, [""] * 32)
    shares = []
    for weights in (None, class_weights(labels, 2)):
        chosen = Train(epochs=4, batch_size=32, precision="fp32", lr=0.01)
        torch.manual_seed(0)
        network = Network("simple_cnn", 2, Preprocess(height=16, width=16), dropout=0.0)
        student = Learner(network, chosen, 4, weights)
        list(fit(student, [Stage(part, (16, 16))] * 4, part, chosen, Augment(), Position()))
        shares.append(softmax(infer(student.network.eval(), part.pixels, bf16=False))[:, 1].mean())

    assert shares[1] > shares[0] + 0.1


GREEDY = """
import resource
from test_fit import STRONG, Position, Stage, fit, learner, pictures

student, chosen = learner(64, batch_size=64)
stages = [Stage(pictures(64), (512, 512))] * 2
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
next(fit(student, stages, pictures(8), chosen, STRONG, Position()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited as Linux does it")
def test_memory_that_ends_names_the_batch_size_to_try():
    ended = subprocess.run(
        [sys.executable, "-c", GREEDY], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120
    )

    assert "ResourceError: the memory of cpu ends in an epoch of train.batch_size=64" in ended.stderr
    assert "try train.batch_size=32" in ended.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"train\.device is cuda, and torch finds no CUDA device"):
        learner(device="cuda")
