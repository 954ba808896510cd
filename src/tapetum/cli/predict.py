"""`tapetum predict`: classes of picture files, from a bundle or from a running service."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tapetum.cli.tables import is_terminal, printable, show_rows
from tapetum.cli.terminal import ANY_PATH, files_of, progress, to_json

Entry = dict[str, Any]


@click.command("predict")
@click.argument("model", metavar="BUNDLE|URL")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=ANY_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@click.option("--engine", default="openvino", show_default=True, help="What computes, for a bundle.")
@click.pass_context
def command(context: click.Context, model: str, paths: tuple[Path, ...], as_json: bool, engine: str) -> None:
    """Classify picture files, and folders of them; exit code 1 where one could not be read.

    Example: tapetum predict runs/pets/bundle cat.jpg holiday/ --json
    """
    files = list(files_of(paths))
    is_url = model.startswith(("http://", "https://"))
    entries = _by_service(model, files) if is_url else _by_bundle(Path(model), files, engine)
    if not as_json and is_terminal(sys.stdout):
        failed = _draw(entries, len(files))
    else:
        failed = 0
        for entry in entries:
            failed += "error" in entry
            click.echo(to_json(entry, indent=None) if as_json else printable(_line(entry)))
    context.exit(1 if failed else 0)


def _draw(entries: Iterator[Entry], number: int) -> int:
    """A table once all are known, and a bar on the way to it; how many could not be read."""
    rows, failed = [], 0
    with progress() as advance:
        for done, entry in enumerate(entries, start=1):
            advance("classify", done, number)
            failed += "error" in entry
            told = (
                ("error", entry["error"]) if "error" in entry else (entry["prediction"], f"{entry['confidence']:.4f}")
            )
            rows.append((entry["path"], *told))
    show_rows(("picture", "class", "confidence"), rows)
    return failed


def _line(entry: Entry) -> str:
    if "error" in entry:
        return f"{entry['path']}  error: {entry['error']}"
    return f"{entry['path']}  {entry['prediction']}  {entry['confidence']:.4f}"


def _by_bundle(path: Path, files: list[Path], engine: str) -> Iterator[Entry]:
    from tapetum import bundle as bundles
    from tapetum import machine
    from tapetum.errors import PictureError
    from tapetum.inference.engine import open_engine
    from tapetum.inference.predictor import Predictor

    bundle = bundles.load(path)
    predictor = Predictor(bundle, open_engine(engine, bundle, streams=machine.cores()))
    for file, result in zip(files, predictor.predict_files(files, machine.cores()), strict=True):
        if isinstance(result, PictureError):
            yield {"path": str(file), "error": str(result)}
        else:
            yield {
                "path": str(file),
                "prediction": result.label,
                "probability": result.confidence,
                "confidence": result.confidence,
                "probabilities": dict(zip(bundle.facts.labels, result.probabilities.tolist(), strict=True)),
            }


def _by_service(url: str, files: list[Path]) -> Iterator[Entry]:
    import httpx

    from tapetum.errors import ResourceError

    with httpx.Client(base_url=url, timeout=60) as client:
        for file in files:
            try:
                response = client.post("/predict", content=file.read_bytes())
                body = response.json()
                wanted = ("prediction", "probability", "confidence", "probabilities")
                answer = {key: body[key] for key in wanted} if response.is_success else {"error": body["detail"]}
            except OSError as error:
                answer = {"error": f"cannot be read: {error.strerror}"}
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise ResourceError(f"{url} does not answer as a Tapetum service: {error!r}") from error
            yield {"path": str(file), **answer}
