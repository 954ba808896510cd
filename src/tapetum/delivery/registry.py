"""A registered model in MLflow: its versions, its aliases, and the ledger of its champions."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tapetum import bundle as bundles
from tapetum import files
from tapetum.bundle import Bundle
from tapetum.delivery import ledger
from tapetum.delivery.ledger import Move
from tapetum.delivery.promotion import BUNDLE_DIGEST, BUNDLE_PATH, VERDICT_PATH, Version, history_of
from tapetum.errors import BundleError, ConfigError, RegistryError
from tapetum.settings import masked
from tapetum.training import mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Registry:
    """One registered model. Every method raises RegistryError where the registry does not answer, or refuses."""

    def __init__(self, client: "MlflowClient", uri: str, name: str) -> None:
        self.name = name
        self._client = client
        self._uri = uri

    def at(self, alias: str) -> Version | None:
        """The version that an alias stands for."""
        with self._asking():
            number = self._client.get_registered_model(self.name).aliases.get(alias)
        return None if number is None else self._version(str(number))

    def versions(self) -> set[str]:
        """All that are there."""
        return {version for version, _ in self._search(self.name)}

    def point(self, alias: str, version: str) -> None:
        """Have an alias stand for a version."""
        with self._asking():
            self._client.set_registered_model_alias(self.name, alias, version)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Give a version tags, in place of those of the same names."""
        with self._asking():
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, version, key, value)

    def keep(self, version: str, verdict: Mapping[str, Any]) -> None:
        """Keep what a gate said of a version beside the run that made it."""
        name = Path(VERDICT_PATH)
        with self._asking(), TemporaryDirectory() as place:
            run_id = self._client.get_model_version(self.name, version).run_id
            files.write_text(Path(place) / name.name, json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")
            self._client.log_artifact(run_id, f"{place}/{name.name}", name.parent.as_posix())

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """The sealed bundle of a version, downloaded into a new folder.

        Raises BundleError where it is not whole, or not the one that was registered.
        """
        from mlflow.artifacts import download_artifacts

        source = f"models:/{self.name}/{version.version}/{BUNDLE_PATH}"
        with self._asking(f"{source} cannot be fetched"):
            path = download_artifacts(artifact_uri=source, dst_path=str(folder))
        try:
            bundle = bundles.load_sealed(Path(path))
        except BundleError as error:
            raise BundleError(f"{source} at {masked(self._uri)} is not whole: {error}") from error
        if (found := bundles.digest(bundle)) != version.digest:
            raise BundleError(
                f"{source} has the digest {found[:12]}…, and its tag {BUNDLE_DIGEST} says "
                f"{version.digest[:12] or 'nothing'}…: it is not what was registered; train or register it again"
            )
        return bundle

    def moves(self) -> list[Move]:
        """The moves of the champion that count, in order."""
        found = (ledger.from_tags(int(number), tags) for number, tags in self._search(history_of(self.name)))
        return ledger.counting(move for move in found if move is not None)

    def append(self, move: Move) -> list[Move]:
        """Write a move down, whether it comes to count or not; the moves that count by then."""
        from mlflow.exceptions import MlflowException

        history = history_of(self.name)
        with self._asking():
            try:
                self._client.create_registered_model(history, description=f"Each move of the champion of {self.name}")
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            run_id = self._client.get_model_version(self.name, move.to.version).run_id
            # Its place and its tags are written in one transaction.
            self._client.create_model_version(
                history,
                f"runs:/{run_id}/{Path(VERDICT_PATH).parent}",
                run_id,
                move.to_tags(),
                description=move.to_text(),
            )
        return self.moves()

    def finish(self, move: Move) -> None:
        """Note that the alias was moved."""
        with self._asking():
            for key, value in ledger.DONE.items():
                self._client.set_model_version_tag(history_of(self.name), str(move.number), key, value)

    def _version(self, number: str) -> Version:
        with self._asking():
            tags = self._client.get_model_version(self.name, number).tags
        return Version(number, tags.get(BUNDLE_DIGEST, ""))

    def _search(self, name: str) -> list[tuple[str, dict[str, str]]]:
        found, token = [], None
        with self._asking():
            while True:
                page = self._client.search_model_versions(f"name='{name}'", page_token=token)
                found += [(str(entry.version), dict(entry.tags)) for entry in page]
                if not (token := page.token):
                    return found

    @contextmanager
    def _asking(self, what: str = "the registry of models") -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:  # what requests raises is an OSError as well
            raise RegistryError(f"{what} at {masked(self._uri)}: {masked(error)}") from error


@contextmanager
def opened(uri: str, name: str) -> Iterator[Registry]:
    """A registered model at a tracking URI, until the block ends.

    Raises RegistryError where it is not there, ConfigError where MLflow is not installed.
    """
    if uri == "none":
        raise ConfigError(
            "MLFLOW_TRACKING_URI is none: promotion needs the registry where training registered the model"
        )
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise RegistryError(
            f"there is no {uri.removeprefix('sqlite:///')}: run it where training ran, or set MLFLOW_TRACKING_URI"
        )
    connect = mlflow_client.quietly()
    with mlflow_client.environment(uri), mlflow_client.defaults(mlflow_client.PATIENT):
        from mlflow.exceptions import MlflowException

        try:
            client = connect(uri)
            client.get_registered_model(name)
        except Exception as error:  # its own errors, SQLAlchemy's, KeyError for an unknown scheme: no base but this
            if isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST":
                known = ", ".join(_names(client)) or "none"
                raise RegistryError(
                    f"no model {name!r} is registered at {masked(uri)}: there are {known}; `tapetum train` registers "
                    "what passed its gate"
                ) from None
            raise RegistryError(f"the registry at {masked(uri)} cannot be asked: {masked(error)}") from None
        yield Registry(client, uri, name)


def _names(client: "MlflowClient") -> list[str]:
    """Registered models, without the ledgers of their champions."""
    names = {model.name for model in client.search_registered_models()}
    return sorted(names - {history_of(name) for name in names})
