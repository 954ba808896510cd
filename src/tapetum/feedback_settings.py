"""The settings of feedback: what is remembered of answers, and which served pictures are kept."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

_DAY_S = 86_400


class FeedbackSettings(BaseSettings):
    """Part of `settings.Settings`."""

    feedback_requests: Annotated[int, Field(ge=1)] = Field(
        100_000, description="Answered requests that `/feedback` remembers, the last ones."
    )
    feedback_age_s: Annotated[float, Field(gt=0)] = Field(
        _DAY_S, description="How long it remembers each of them, in seconds."
    )
    keep_pictures_dir: Path | None = Field(
        None, description="Folder in which some served pictures are kept; unset, none is. Each replica needs its own."
    )
    keep_pictures_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05,
        description="Share of the served pictures to keep, drawn at random, beside those unlike the training data and "
        "those below TAPETUM_LOW_CONFIDENCE.",
    )
    keep_pictures_max_bytes: Annotated[int, Field(ge=10_000)] = Field(
        1_000_000_000, description="Bytes that they may take; beyond them the surest give way."
    )
    keep_pictures_max_age_s: Annotated[float, Field(gt=0)] = Field(
        30 * _DAY_S, description="Age at which a kept picture is removed, in seconds."
    )
