"""A graph in int8: how it was made, and how far its answers agree with those in fp32 (numpy only)."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class ClassAgreement:
    """One class: `samples` are its true members, of which `changed` got another label and `recall_change` is gained.

    The shifts are those of the class's probability over all pictures, its members or not.
    """

    samples: int
    changed: int
    recall_change: float
    mean_shift: float
    max_shift: float


@dataclass(frozen=True)
class Agreement:
    """Answers in int8 beside those in fp32, to the same pictures; `changed` is the share of other labels."""

    samples: int
    accuracy_change: float
    changed: float
    mean_shift: float
    max_shift: float
    classes: dict[str, ClassAgreement]


class Bounds(BaseModel):
    """What int8 may cost on pictures that were not learned from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy_loss: float = Field(0.005, ge=0, le=1, description="Share of pictures answered rightly that may be lost.")
    changed: float = Field(0.02, ge=0, le=1, description="Share of pictures that may get another label.")

    def allow(self, agreement: Agreement) -> bool:
        """Whether both hold."""
        return -agreement.accuracy_change <= self.accuracy_loss and agreement.changed <= self.changed


class Quantised(BaseModel):
    """What bundle.json says of a graph in int8."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    pictures: int = Field(description="Pictures of the training part that gave the ranges of values.")
    layers: int = Field(description="Layers that could be in int8.")
    kept: tuple[str, ...] = Field((), description="Those that stay in fp32, since int8 cost too much there.")
    bounds: Bounds
    golden_bound: float = Field(
        description="How far a golden probability in int8 may lie from its record, which is in fp32."
    )
    graph_bytes: dict[str, int] = Field(description="Size of the graph, by precision.")
    pictures_per_s: dict[str, float] = Field(description="On one thread in OpenVINO, by precision.")
    processor: str = Field(description="Where the speed was measured.")
    agreement: Agreement | None = Field(None, description="On the test part; absent until it was evaluated.")


def compare(reference: np.ndarray, found: np.ndarray, truth: np.ndarray, labels: tuple[str, ...]) -> Agreement:
    """Probabilities (N, K) in fp32 and in int8, and true classes (N,) -> Agreement."""
    before, after = reference.argmax(axis=1), found.argmax(axis=1)
    is_changed = before != after
    gain = (after == truth).astype(float) - (before == truth)
    shift = np.abs(found - reference)

    def of_class(column: int) -> ClassAgreement:
        own = truth == column
        return ClassAgreement(
            samples=int(own.sum()),
            changed=int(is_changed[own].sum()),
            recall_change=float(gain[own].mean()) if own.any() else 0.0,
            mean_shift=float(shift[:, column].mean()),
            max_shift=float(shift[:, column].max()),
        )

    return Agreement(
        samples=len(truth),
        accuracy_change=float(gain.mean()),
        changed=float(is_changed.mean()),
        mean_shift=float(shift.mean()),
        max_shift=float(shift.max()),
        classes={label: of_class(column) for column, label in enumerate(labels)},
    )
