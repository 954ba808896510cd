"""`python -m tapetum.delivery.fetch models:/pets/3 DIGEST --to FOLDER`: the bundle of a version, without MLflow.

It asks the tracking server that MLFLOW_TRACKING_URI names, over its proxy of artifacts, and takes nothing but what the
digest covers: that of bundle.json, which lists the SHA-256 of every other file. Exit code 0 is a whole bundle at
FOLDER, which a pod's service then opens; else 2, one line on standard error, and FOLDER is as it was.
"""

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode, urlsplit

from tapetum import bundle as bundles
from tapetum import files, settings
from tapetum.bundle import FACTS
from tapetum.data.download import download
from tapetum.delivery.promotion import BUNDLE_PATH
from tapetum.errors import BundleError, ConfigError, DownloadError, TapetumError
from tapetum.settings import masked

MAX_BYTES = 2_000_000_000
MAX_ANSWER_BYTES = 10_000_000  # of bundle.json, which lists some dozens of files, and of what the server says
_PROXIED = "mlflow-artifacts"

Sleep = Callable[[float], None]


def fetch(server: str, model: str, digest: str, folder: Path, *, sleep: Sleep = time.sleep) -> None:
    """Put the bundle of `model`, such as models:/pets/3, at `folder`, in place of another one that is there.

    A bundle of this digest that is there whole is left, and the server not
    asked. Raises ConfigError for an argument, DownloadError where the server
    does not answer after some tries, or has something else than was promised,
    ResourceError for a full disk.
    """
    named = re.fullmatch(r"models:/([^/:]+)/(\d+)", model)
    if named is None:
        raise ConfigError(f"{model!r} names no version of a model: expected such as models:/pets/3")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ConfigError(f"the digest is {digest!r}: expected the 64 hexadecimal digits of `tapetum promote --json`")
    if not server.startswith(("http://", "https://")):
        raise ConfigError(
            f"MLFLOW_TRACKING_URI is {masked(server)!r}: expected the address of a server, such as http://localhost:5000"
        )
    if _is_there(folder, digest):
        return
    with files.replacing(folder) as fresh:
        fresh.mkdir()
        source = _source(server.rstrip("/"), model, named[1], named[2], fresh / FACTS, sleep)
        download(f"{source}/{FACTS}", fresh / FACTS, max_bytes=MAX_ANSWER_BYTES, sleep=sleep)
        if (found := files.sha256(fresh / FACTS)) != digest:
            raise DownloadError(
                f"{model} at {masked(server)} has the digest {found}, and {digest} was asked for: "
                "the version was changed, or another one is meant; promote it anew"
            )
        left = MAX_BYTES
        for name, sha256 in _listed(fresh / FACTS, model).items():
            download(f"{source}/{quote(name)}", fresh / name, sha256, max_bytes=left, sleep=sleep)
            left -= (fresh / name).stat().st_size


def _is_there(folder: Path, digest: str) -> bool:
    with suppress(BundleError):
        return bundles.digest(bundles.load_sealed(folder)) == digest
    return False


def _source(server: str, model: str, name: str, version: str, answer: Path, sleep: Sleep) -> str:
    """The address of a version's bundle at the server's proxy; `answer` is a file to use on the way."""
    query = urlencode({"name": name, "version": version})
    address = f"{server}/api/2.0/mlflow/model-versions/get-download-uri?{query}"
    download(address, answer, max_bytes=MAX_ANSWER_BYTES, sleep=sleep)
    try:
        uri = urlsplit(json.loads(answer.read_bytes())["artifact_uri"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DownloadError(f"{masked(server)} does not answer as a tracking server of MLflow: {error!r}") from None
    if uri.scheme != _PROXIED:
        raise DownloadError(
            f"{model} lies at {masked(uri.geturl())}, past {masked(server)}: register it with a server that proxies "
            "artifacts, `mlflow server --artifacts-destination`"
        )
    return f"{server}/api/2.0/mlflow-artifacts/artifacts/{quote(uri.path.strip('/'))}/{BUNDLE_PATH}"


def _listed(facts: Path, model: str) -> dict[str, str]:
    """Names and SHA-256 of the files of a bundle. Raises DownloadError where one would lie outside of it."""
    listed: dict[str, str] | None = json.loads(facts.read_bytes()).get("files")
    if listed is None:
        raise DownloadError(
            f"{model} is a draft and cannot be served: register a sealed bundle, as `tapetum train` does"
        )
    for name in listed:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or path == PurePosixPath(FACTS):
            raise DownloadError(f"{model} lists {name!r}, which is no file inside a bundle: nothing of it is served")
    return listed


def main(words: Sequence[str] | None = None) -> int:
    """Fetch what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tapetum.delivery.fetch",
        description="Fetch the bundle of a registered model from the tracking server that MLFLOW_TRACKING_URI names.",
    )
    parser.add_argument("model", help="version of a registered model, such as models:/pets/3")
    parser.add_argument("digest", help="SHA-256 of its bundle.json, as `tapetum promote --json` prints it")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where the bundle shall lie")
    given = parser.parse_args(words)
    # The first process of a container ignores SIGTERM unless it handles it; ending so, it removes what has arrived.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        fetch(settings.load().mlflow_tracking_uri, given.model, given.digest, given.to)
    except (TapetumError, OSError) as error:
        print(f"tapetum: {error}", file=sys.stderr)  # noqa: T201 - the log of the container
        return 2
    print(f"{given.to} holds {given.model}")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
