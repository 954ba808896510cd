"""How a model was trained, as far as its bundle tells: one record an epoch, and plots of them."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tapetum.bundle import HISTORY, Bundle
from tapetum.errors import BundleError
from tapetum.evaluation.drawing import BLUE, LINE, ORANGE, SOFT, WIDTH_IN, Plot, draw, in_percent, in_whole_numbers


class Epoch(BaseModel):
    """What the plots need of an epoch; a record may hold more."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    size: int | None = None  # the height of its pictures in pixels
    is_kept: bool = False  # whether the bundle holds the weights of this epoch


_HISTORY = TypeAdapter(list[Epoch])


def load(bundle: Bundle) -> list[Epoch]:
    """The epochs in order; none of a model that was trained elsewhere. Raises BundleError where they are damaged."""
    path = bundle.path / HISTORY
    try:
        return _HISTORY.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path} is damaged: copy it from the run that made the bundle, or remove it") from error


def plots(epochs: Sequence[Epoch]) -> list[Plot]:
    """Loss, accuracy and learning rate by epoch, and the size of the pictures where it changed."""
    kept = next((epoch for epoch in epochs if epoch.is_kept), None)
    remark = f" Epoch {kept.epoch} was kept: the dotted line." if kept else ""
    drawn = [
        _by_epoch(
            "Loss",
            "Mean of the part, in nats. Training is measured on augmented pictures while it learns." + remark,
            epochs,
            {"validation": [epoch.val_loss for epoch in epochs], "train": [epoch.train_loss for epoch in epochs]},
        ),
        _by_epoch(
            "Accuracy",
            "Share of right answers." + remark,
            epochs,
            {
                "validation": [epoch.val_accuracy for epoch in epochs],
                "train": [epoch.train_accuracy for epoch in epochs],
            },
        ),
        _by_epoch("Learning rate", "At the start of each epoch.", epochs, {"": [epoch.lr for epoch in epochs]}),
    ]
    sizes = [epoch.size for epoch in epochs if epoch.size is not None]
    if len(sizes) == len(epochs) and len(set(sizes)) > 1:
        drawn.append(_by_epoch("Height of training pictures", "In pixels.", epochs, {"": sizes}))
    return drawn


def _by_epoch(title: str, caption: str, epochs: Sequence[Epoch], lines: dict[str, Sequence[float]]) -> Plot:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        numbers = [epoch.epoch for epoch in epochs]
        for (name, values), (colour, dashes) in zip(lines.items(), ((BLUE, "-"), (ORANGE, "--")), strict=False):
            marker = "o" if len(epochs) < 25 else ""
            axes.plot(numbers, values, label=name, marker=marker, markersize=3.5, color=colour, linestyle=dashes)
        for epoch in epochs:
            if epoch.is_kept:
                axes.axvline(epoch.epoch, color=SOFT, linestyle=":")
        axes.set(xlabel="Epoch", ylabel=title)
        in_whole_numbers(axes.xaxis)
        if title == "Accuracy":
            in_percent(axes.yaxis)
        axes.grid(axis="y", color=LINE)
        if len(lines) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    ends = "; ".join(f"{name or title.lower()} from {v[0]:.4g} to {v[-1]:.4g}" for name, v in lines.items())
    return draw(title, caption, f"{title} by epoch, {len(epochs)} in all: {ends}.", paint, (WIDTH_IN, 3.2))
