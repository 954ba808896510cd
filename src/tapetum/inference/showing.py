"""A question after a heat map, and what a worker answers to it."""

from dataclasses import dataclass
from typing import Literal, get_args

from tapetum import image
from tapetum.inference.explain import Explanation, explain
from tapetum.inference.overlay import View, draw, to_png
from tapetum.inference.predictor import Predictor, Result

Form = View | Literal["json"]
FORMS: tuple[Form, ...] = (*get_args(View), "json")


@dataclass(frozen=True)
class Question:
    """Why a picture was taken for `label`, or for what is predicted; `within_s` bounds the computing."""

    label: str | None
    form: Form
    within_s: float


@dataclass(frozen=True)
class Shown:
    """The explanation, and where a drawing was asked for that as a PNG file."""

    explanation: Explanation
    png: bytes


Answer = Result | Shown


def show(predictor: Predictor, content: bytes, question: Question) -> Shown:
    """Explain the bytes of a picture. Raises a PictureError, or DeadlinePassed."""
    picture = image.decode(content, predictor.max_pixels)
    explanation = explain(predictor, picture, question.label, question.within_s)
    drawn = b"" if question.form == "json" else to_png(draw(picture, explanation, question.form))
    return Shown(explanation, drawn)
