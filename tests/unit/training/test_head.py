"""A linear head is that of scikit-learn's logistic regression, with the strength that its pictures ask for."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tapetum.training.head import STRENGTHS, Loss, Seen, learn

WIDTH, CLASSES = 30, 3


def seen(count: int, seed: int, noise: float = 2.0) -> Seen:
    """Three classes of equal size around fixed centres far from zero."""
    centres = torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0)) + 5
    labels = torch.arange(count) % CLASSES
    inputs = centres[labels] + noise * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))
    return Seen(inputs, labels)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads wait for each other spinning, which costs seconds where the cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_it_is_the_one_that_scikit_learn_finds_for_that_strength(weighted):
    train, val = seen(90, 1), seen(90, 2)
    weights = torch.tensor([0.5, 1.0, 1.5]) if weighted else None

    head = learn(train, val, CLASSES, Loss(weights))

    mean = train.inputs.mean(dim=0)
    scale = (train.inputs - mean).square().mean().sqrt()
    theirs = LogisticRegression(
        C=1 / (head.l2 * len(train.labels)),
        class_weight=dict(enumerate(weights.tolist())) if weighted else None,
        tol=1e-6,
        max_iter=5000,
    ).fit((train.inputs - mean) / scale, train.labels)
    probabilities = torch.softmax(head.logits(val.inputs), dim=1).numpy()
    np.testing.assert_allclose(probabilities, theirs.predict_proba((val.inputs - mean) / scale), atol=2e-3)


def test_the_strength_is_the_one_that_suits_validation_best():
    """What is hard to tell apart asks for more than what is easy."""
    hard = learn(seen(60, 1, noise=6), seen(300, 2, noise=6), CLASSES, Loss())
    easy = learn(seen(60, 1, noise=1), seen(300, 2, noise=1), CLASSES, Loss())

    assert STRENGTHS[0] >= hard.l2 > easy.l2


@pytest.mark.parametrize("count", [0, 3])
def test_few_pictures_to_validate_do_not_decide_alone(count):
    """Three that say the opposite of what is true would ask for the strongest L2."""
    wrong = seen(count, 2, noise=1)._replace(labels=(torch.arange(count) + 1) % CLASSES)

    head = learn(seen(60, 1, noise=1), wrong, CLASSES, Loss())

    assert head.l2 < STRENGTHS[0]
    fresh = seen(300, 3, noise=1)
    assert (head.logits(fresh.inputs).argmax(dim=1) == fresh.labels).float().mean() > 0.9


def test_the_same_pictures_give_the_same_head():
    first, second = (learn(seen(60, 1), seen(60, 2), CLASSES, Loss(smoothing=0.1)) for _ in range(2))

    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
