"""Cats and dogs from Kaggle, through kagglehub, which keeps what it downloads in its own cache."""

import shutil
import sys
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

from tapetum.errors import ConfigError, DataError, DownloadError
from tapetum.progress import Advance

CATS_DOGS = "bhavikjikadara/dog-and-cat-classification-dataset"
_FOLDERS = {"Cat": "cat", "Dog": "dog"}
_CREDENTIALS = (
    "set KAGGLE_USERNAME and KAGGLE_KEY, or put the kaggle.json of https://www.kaggle.com/settings into ~/.kaggle/"
)


def fill(target: Path, kept: Path, advance: Advance) -> None:
    """Photographs as cat/*.jpg and dog/*.jpg; some are broken, as `tapetum data check` will say.

    Raises ConfigError without credentials, DataError without kagglehub or for another content, DownloadError.
    """
    root = download(CATS_DOGS)
    photos = root / "PetImages"
    if sorted(path.name for path in photos.glob("*/")) != sorted(_FOLDERS):
        held = ", ".join(sorted(path.relative_to(root).as_posix() for path in root.glob("*")))
        raise DataError(f"{root} from Kaggle holds {held or 'nothing'}: expected PetImages/Cat and PetImages/Dog")
    for done, (name, label) in enumerate(_FOLDERS.items(), start=1):
        shutil.copytree(photos / name, target / label, ignore=shutil.ignore_patterns("Thumbs.db"))
        advance("copy classes", done, len(_FOLDERS))


def download(handle: str) -> Path:
    """The folder of a Kaggle dataset in the cache of kagglehub, downloaded where it is not there."""
    # kagglehub talks on standard output, which belongs to our own answers.
    with redirect_stdout(sys.stderr):
        try:
            import kagglehub  # an extra: only this source needs it
            from kagglehub.config import get_kaggle_credentials
            from kagglehub.exceptions import DataCorruptionError
        except ImportError:
            raise DataError(f"{handle} comes through kagglehub: pip install 'tapetum[kaggle]'") from None
        try:
            credentials = get_kaggle_credentials()
        except ValueError as error:
            raise ConfigError(f"{error}: {_CREDENTIALS}") from None
        if credentials is None:
            raise ConfigError(f"Kaggle asks for credentials to download {handle}: {_CREDENTIALS}")
        try:
            return Path(kagglehub.dataset_download(handle))
        except (OSError, ValueError, DataCorruptionError, zipfile.BadZipFile) as error:  # requests' are OSErrors
            reason = " ".join(str(error).split())
            raise DownloadError(
                f"{handle} did not come from Kaggle ({reason}): {_CREDENTIALS}, then try again"
            ) from None
