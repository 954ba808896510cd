"""A served picture that was kept: its file, and beside it a JSON file of the same name that says what is known of it.

    4f…a2.jpg     the bytes as they came
    4f…a2.json    a `Kept`; a picture without one is none

A person may write the `label` too, with any editor.
"""

import re
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tapetum import files
from tapetum.errors import DataError

SUFFIX = ".json"
# The service makes up every name, so nothing that a caller sends becomes part of a path.
OWN_NAME = re.compile(r"\.?[0-9a-f]{32}\.\w+(\.\w+)?")


class Kept(BaseModel):
    """What is known of a kept picture."""

    model_config = ConfigDict(frozen=True)

    picture: str = Field(pattern=r"^[0-9a-f]{32}\.\w+$", description="Name of its file.")
    size: int = Field(description="Its bytes.")
    at: AwareDatetime = Field(description="When it was answered.")
    request_id: str
    number: int = Field(description="Which picture of the request it was, counted from 0.")
    model: str
    version: str
    prediction: str
    confidence: float
    margin: float
    unlike: bool | None = Field(None, description="Whether it is unlike the training data; null where none can tell.")
    label: str | None = Field(None, min_length=1, description="What a person says that it shows; null until one does.")


def beside(picture: Path) -> Path:
    """Where the facts of a picture stand."""
    return picture.with_suffix(SUFFIX)


def read(path: Path) -> Kept:
    """The facts that stand in a file. Raises DataError where they are damaged."""
    try:
        kept = Kept.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise DataError(f"{path}: {f'{place}: ' if place else ''}{problem['msg']}: mend it, or remove it") from None
    if Path(kept.picture).stem != path.stem:
        raise DataError(f"{path} names the picture {kept.picture}: expected one of its own name")
    return kept


def to_bytes(kept: Kept) -> bytes:
    """The content of the file of facts."""
    return kept.model_dump_json(indent=1).encode() + b"\n"


def write(folder: Path, name: str, content: bytes) -> None:
    """Write a picture or its facts: whole or not at all, though not synced to disk."""
    with files.replacing(folder / name) as fresh:
        fresh.write_bytes(content)
