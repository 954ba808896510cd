"""The bundle: a folder that holds all a model needs to be evaluated, gated and served.

    bundle.json          what it is, and the SHA-256 of every other file
    model.onnx           uint8 (N, H, W, 3) -> logits (N, K) and pooled features (N, C)
    model.int8.onnx      the same in int8; there where `tapetum export` made it
    weights.safetensors  the same weights, for torch
    golden/              pictures as people have them, and the answers they must get
    reference.npz        how the validation part looks to the service; where that is large enough
    predictions.json     what the model answered on the test part
    history.json         how training went, epoch by epoch; a model that was trained elsewhere has none
    MODEL_CARD.md        the same facts, for people, and in plots and pictures as report.html

A draft lists no hashes yet: it can be evaluated and gated, never served.
"""

import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tapetum import files
from tapetum.errors import BundleError
from tapetum.image import Preprocess
from tapetum.quantised import Quantised
from tapetum.scores import Scores

SCHEMA_VERSION = 1
Precision = Literal["fp32", "bf16", "int8"]
FACTS, GRAPH, INT8_GRAPH, WEIGHTS = "bundle.json", "model.onnx", "model.int8.onnx", "weights.safetensors"
ANSWERS, PREDICTIONS, HISTORY = "golden/answers.npz", "predictions.json", "history.json"
CARD, REPORT = "MODEL_CARD.md", "report.html"
_REQUIRED = (GRAPH, WEIGHTS, ANSWERS)


class Imported(BaseModel):
    """The foreign file that weights came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str


class Facts(BaseModel):
    """The content of bundle.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    title: str
    version: str = Field(description="The first 12 digits of the SHA-256 of the weights.")
    labels: tuple[str, ...]
    preprocess: Preprocess
    architecture: str
    feature_map: str | None = Field(
        description="Tensor of the graph that global average pooling reads; absent where the architecture has none."
    )
    parity: float | None = Field(
        None, description="Largest difference of a probability between the graph and torch, in fp32."
    )
    temperature: float = Field(1.0, gt=0)
    scores: dict[Precision, Scores] = Field({}, description="Scores on the test part, by precision.")
    quantised: Quantised | None = Field(None, description="Of its graph in int8; absent where it has none.")
    fingerprint: str | None = Field(
        description="SHA-256 over the pictures, labels and parts it was made from, or if imported measured on, if any."
    )
    imported: Imported | None = Field(None, description="Where the weights came from; absent where Tapetum made them.")
    recipe: dict[str, Any] = Field(description="Its choices; of an imported model those that are known.")
    code_version: str
    files: dict[str, str] | None = Field(None, description="SHA-256 of every other file; absent in a draft.")


@dataclass(frozen=True)
class Golden:
    """Pictures with the answers that they must get wherever the bundle is opened."""

    pictures: dict[str, bytes]  # by file name, in order
    arrays: np.ndarray  # uint8 (N, H, W, 3)
    probabilities: np.ndarray  # float32 (N, K), torch in fp32, temperature 1

    def to_files(self) -> dict[str, bytes]:
        """The content of the folder golden/, the same bytes for the same pictures."""
        stream = io.BytesIO()
        probabilities = self.probabilities.astype(np.float32)
        np.savez(stream, names=list(self.pictures), arrays=self.arrays, probabilities=probabilities)
        pictures = {f"golden/{name}": content for name, content in self.pictures.items()}
        return pictures | {ANSWERS: stream.getvalue()}


@dataclass(frozen=True)
class Bundle:
    """A bundle whose facts were read and, where it is sealed, whose every file was verified."""

    path: Path
    facts: Facts

    @property
    def is_sealed(self) -> bool:
        return self.facts.files is not None

    @property
    def graph(self) -> Path:
        return self.path / GRAPH

    @property
    def int8_graph(self) -> Path:
        return self.path / INT8_GRAPH

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    def golden(self) -> Golden:
        """Read the golden pictures. Raises BundleError where they are damaged."""
        path = self.path / ANSWERS
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as answers:
                pictures = {str(name): (path.parent / str(name)).read_bytes() for name in answers["names"]}
                return Golden(pictures, answers["arrays"], answers["probabilities"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path} is damaged ({error}): copy the bundle again, or make it anew") from error


def load(path: Path) -> Bundle:
    """Read a draft or a sealed bundle, verifying every hash of a sealed one. Raises BundleError."""
    source = path / FACTS
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path} is not a bundle: it has no {FACTS}; `tapetum train` makes one") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{source} cannot be read: {error}") from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise BundleError(f"{source} has no schema_version, so it was not written by Tapetum: make the bundle anew")
    version = content["schema_version"]
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise BundleError(
            f"{source} has schema version {version!r}, and this Tapetum reads 1 to {SCHEMA_VERSION}: "
            "install a newer Tapetum, or make the bundle anew"
        )
    try:
        facts = Facts.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise BundleError(f"{source}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    bundle = Bundle(path, facts)
    _verify(bundle)
    return bundle


def load_sealed(path: Path) -> Bundle:
    """Read a bundle to serve. Raises BundleError where it is a draft."""
    bundle = load(path)
    if not bundle.is_sealed:
        raise BundleError(
            f"{path} is a draft and cannot be served: `tapetum bundle seal {path}` seals it if it passes its gate"
        )
    return bundle


def require_draft(bundle: Bundle) -> None:
    """Raise BundleError where a bundle is sealed."""
    if bundle.is_sealed:
        raise BundleError(f"{bundle.path} is sealed and cannot change: make a new draft with `tapetum train`")


def amend(bundle: Bundle, **changes: Any) -> Bundle:
    """Change facts of a draft, on disk too. Raises BundleError where it is sealed."""
    require_draft(load(bundle.path))
    amended = Bundle(bundle.path, bundle.facts.model_copy(update=changes))
    _write_facts(amended)
    return amended


def seal(bundle: Bundle) -> Bundle:
    """Hash every file of a draft; from here on a changed byte is noticed. Raises BundleError."""
    names = sorted(
        file.relative_to(bundle.path).as_posix()
        for file in bundle.path.rglob("*")
        if file.is_file() and file != bundle.path / FACTS
    )
    return amend(bundle, files={name: files.sha256(bundle.path / name) for name in names})


def move(bundle: Bundle, path: Path) -> Bundle:
    """Rename a bundle to `path`, in place of one that is there."""
    with files.replacing(path) as fresh:
        bundle.path.rename(fresh)
    return Bundle(path, bundle.facts)


def copy(bundle: Bundle, path: Path) -> Bundle:
    """Copy a bundle to `path`, in place of one that is there."""
    with files.replacing(path) as fresh:
        shutil.copytree(bundle.path, fresh)
    return Bundle(path, bundle.facts)


def digest(bundle: Bundle) -> str:
    """The SHA-256 of bundle.json, which covers every file of a sealed bundle."""
    return files.sha256(bundle.path / FACTS)


def write_draft(path: Path, facts: Facts, contents: dict[str, bytes]) -> Bundle:
    """Write a new draft whole, in place of whatever bundle was there."""
    with files.replacing(path) as fresh:
        for name, content in contents.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)
        _write_facts(Bundle(fresh, facts))
    return Bundle(path, facts)


def _write_facts(bundle: Bundle) -> None:
    content = json.dumps(bundle.facts.model_dump(mode="json"), indent=2, ensure_ascii=False)
    files.write_text(bundle.path / FACTS, content + "\n")


def _verify(bundle: Bundle) -> None:
    required = _REQUIRED if bundle.facts.quantised is None else (*_REQUIRED, INT8_GRAPH)
    recorded = bundle.facts.files if bundle.facts.files is not None else dict.fromkeys(required)
    for name in required:
        if name not in recorded:
            raise BundleError(f"{bundle.path / FACTS} lists no {name}: the bundle is incomplete; make it anew")
    for name, expected in recorded.items():
        file = bundle.path / name
        try:
            is_inside, is_there = file.resolve().is_relative_to(bundle.path.resolve()), file.is_file()
        except (OSError, ValueError) as error:
            raise BundleError(f"{bundle.path / FACTS} lists {name[:60]!r}, which cannot name a file") from error
        if not is_inside:
            raise BundleError(f"{bundle.path / FACTS} lists {name!r}, which lies outside the bundle")
        if not is_there:
            raise BundleError(f"{file} is missing: copy the bundle again, whole")
        if expected is not None and (found := files.sha256(file)) != expected:
            raise BundleError(
                f"{file} was changed after the bundle was sealed: its SHA-256 is {found[:12]}…, recorded is "
                f"{expected[:12]}…; copy the bundle again"
            )
    labels = bundle.facts.labels
    if bundle.is_sealed and {len(labels), len(set(labels))} != {*bundle.golden().probabilities.shape[1:]}:
        raise BundleError(f"{bundle.path / FACTS} names other classes than {ANSWERS} knows: copy the bundle again")
