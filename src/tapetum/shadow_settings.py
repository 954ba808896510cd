"""The settings of a shadow: which challenger sees a share of the pictures, and what that may cost."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class ShadowSettings(BaseSettings):
    """Part of `settings.Settings`."""

    shadow: Path | None = Field(
        None, description="Folder of a challenger, which is asked too and never answers; unset, there is none."
    )
    shadow_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Share of the answered pictures that the challenger is to see, drawn at random."
    )
    shadow_cpu: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="Share of one core that it may compute on; pictures that would take more are skipped."
    )
