"""Labels that are likely wrong, by confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021).

Each picture is judged by a linear classifier that did not learn from it. How often that is as sure of another class
as it usually is of that class's own pictures says how many labels are wrong; the likeliest of them are doubted.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tapetum.data.finding import FEWEST_PICTURES, Suspect
from tapetum.data.scan import Scan

FOLDS = 5
_WEAK_BELOW = 6000  # pictures


@dataclass(frozen=True)
class Doubts:
    """`suspects`, the likeliest first, of `judged` labels; `confirmed` of them the classifier would have given too."""

    judged: int
    confirmed: int
    suspects: list[Suspect]


def doubt(scanned: Scan, features: np.ndarray) -> Doubts:
    """Judge the labels of all samples by their (N, C) features.

    What a person decided is learned from and not doubted again, and no version
    of a picture vouches for another. Classes of fewer than 20 pictures are left
    alone, since too little can be learned of them.
    """
    originals = scanned.originals()
    pictures = [originals.get(sample.digest, sample.digest) for sample in scanned.samples]
    held = {(sample.label, picture) for sample, picture in zip(scanned.samples, pictures, strict=True)}
    counts = Counter(label for label, _ in held)
    rows = [row for row, sample in enumerate(scanned.samples) if counts[sample.label] >= FEWEST_PICTURES]
    samples = [scanned.samples[row] for row in rows]
    labels, classes = np.unique([sample.label for sample in samples], return_inverse=True)
    if len(labels) < 2:
        return Doubts(0, 0, [])
    # By content: a picture is judged by the same others, whatever else the folder comes to hold.
    folds = np.array([int(pictures[row][:8], 16) % FOLDS for row in rows])
    probabilities = out_of_fold(features[rows], classes, folds)
    suggested, scores = confident(probabilities, classes)
    suspects = [
        Suspect(sample.path, sample.label, str(labels[suggestion]), float(score))
        for sample, suggestion, score in zip(samples, suggested, scores, strict=True)
        if suggestion >= 0 and sample.path not in scanned.decided
    ]
    confirmed = int((probabilities.argmax(axis=1) == classes).sum())
    return Doubts(len(samples), confirmed, sorted(suspects, key=lambda suspect: -suspect.score))


def confident(probabilities: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) probabilities that were not learned from the label, (N,) given classes -> (N,) suggestions and scores.

    The suggestion is -1 where the label is not doubted. As many labels of each
    class are doubted as the confident joint lets expect, those by which another
    class is likeliest to be right ("prune by noise rate" in the paper).
    """
    joint = confident_joint(probabilities, classes)
    suggested = np.full(len(classes), -1)
    scores = np.zeros(len(classes))
    for given, counts in enumerate(joint):
        rows = np.flatnonzero(classes == given)
        expected = np.rint(len(rows) * counts / max(1, counts.sum())).astype(int)
        for other in np.flatnonzero(expected):
            margins = probabilities[rows, other] - probabilities[rows, given]  # none where other is given
            for place in np.argsort(-margins, kind="stable")[: expected[other]]:
                if margins[place] > scores[rows[place]]:
                    suggested[rows[place]], scores[rows[place]] = other, margins[place]
    return suggested, scores


def confident_joint(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(K, K) counts of pictures by the class given (row) and the class they surely show (column).

    A picture surely shows a class that is at least as probable for it as on
    average for those labelled so; that spares classes that are hard to tell.
    """
    count = probabilities.shape[1]
    usual = np.array([probabilities[classes == number, number].mean() for number in range(count)])
    reached = np.where(probabilities >= usual, probabilities, -1.0)
    is_sure = reached.max(axis=1) >= 0
    joint = np.zeros((count, count), int)
    np.add.at(joint, (classes[is_sure], reached[is_sure].argmax(axis=1)), 1)
    return joint


def out_of_fold(features: np.ndarray, classes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(N, C) features, (N,) classes, (N,) numbers of folds -> (N, K) probabilities, learned from the other folds."""
    from sklearn.linear_model import LogisticRegression  # comes with training, as the features do

    # To a mean length of one, for which the strength of L2 was chosen: what is learned too well is learned of wrong
    # labels too, and what is learned too weakly from few pictures is sure of nothing.
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6) / np.sqrt(features.shape[1])
    probabilities = np.zeros((len(classes), classes.max() + 1))
    for fold in np.unique(folds):
        held = folds == fold
        learned = LogisticRegression(C=max(1.0, _WEAK_BELOW / (~held).sum())).fit(scaled[~held], classes[~held])
        probabilities[np.ix_(held, learned.classes_)] = learned.predict_proba(scaled[held])
    return probabilities
