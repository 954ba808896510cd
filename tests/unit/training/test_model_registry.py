"""A sealed bundle as a registered model: what is stored, and what a process without torch makes of it."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from importlib import metadata
from pathlib import Path

import pytest

from tapetum import bundle as bundles
from tapetum.training.mlflow_tracking import MlflowTracker

# What MLflow itself makes of SQLAlchemy, pandas and type hints: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

URI = "sqlite:///registry/mlflow.db"

# In a process of its own: what is imported, and what each form of the input gives.
FRESH = """
import base64, json, sys
import mlflow
import pandas as pd
model = mlflow.pyfunc.load_model("models:/pets@challenger")
pictures = [open(path, "rb").read() for path in sys.argv[1:]]
table = model.predict(pd.DataFrame({"image": pictures}))

from mlflow.pyfunc import scoring_server
rows = [[base64.b64encode(picture).decode()] for picture in pictures]
body = json.dumps({"dataframe_split": {"columns": ["image"], "data": rows}})
scored = scoring_server.invocations(body, "application/json", model, model.metadata.get_input_schema())

print(json.dumps({
    "table": table.to_dict("records"),
    "list": model.predict(pictures).to_dict("records"),
    "scored": json.loads(scored.response)["predictions"],
    "example": model.predict(model.input_example).to_dict("records"),
    "none": len(model.predict(pd.DataFrame({"image": []}, dtype=object))),
    "torch": "torch" in sys.modules,
    "code": sys.modules["tapetum"].__file__,
    "loaded": [module.__file__ for name, module in sys.modules.items() if name.startswith("tapetum.")],
}))
"""


def libraries(source: Path) -> set[str]:
    """The libraries that a module imports."""
    nodes = list(ast.walk(ast.parse(source.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"tapetum"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bundle_path: Path) -> Iterator[Path]:
    """A working folder with a store in which a bundle was registered twice."""
    folder = tmp_path_factory.mktemp("registry")
    with chdir(folder):
        for figure in ("0.9", "1.0"):
            with MlflowTracker(URI).run("pets", {"train.lr": "0.003"}) as run:
                run.challenger("pets", bundles.load(bundle_path), {"gate.accuracy in fp32": figure})
        (folder / "address").write_text(run.address)
        yield folder


@pytest.fixture
def client(place):
    from mlflow import MlflowClient

    return MlflowClient(URI)


@pytest.fixture
def stored(client, place) -> Path:
    """The folder of the challenger."""
    model_id = client.get_model_version_by_alias("pets", "challenger").source.removeprefix("models:/")
    (folder,) = place.glob(f"registry/artifacts/*/models/{model_id}/artifacts")
    return folder


def test_each_run_registers_a_version_and_moves_the_alias(client, place):
    challenger = client.get_model_version_by_alias("pets", "challenger")

    versions = client.search_model_versions("name='pets'")
    assert sorted((str(entry.version), entry.tags["gate.accuracy in fp32"]) for entry in versions) == [
        ("1", "0.9"),
        ("2", "1.0"),
    ]
    assert str(challenger.version) == "2"
    assert (place / "address").read_text().endswith("models:/pets@challenger is version 2")


def test_the_model_belongs_to_its_run(client):
    challenger = client.get_model_version_by_alias("pets", "challenger")

    model = client.get_logged_model(challenger.source.removeprefix("models:/"))
    assert (model.source_run_id, str(model.status)) == (challenger.run_id, "READY")
    assert model.params == {"train.lr": "0.003"}


def test_nothing_is_pickled_and_no_path_of_this_machine_is_stored(stored, bundle_path):
    files = [path.relative_to(stored).as_posix() for path in stored.rglob("*") if path.is_file()]
    described = (stored / "MLmodel").read_text()

    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pyc"))]
    assert {"mlflow_model.py", "artifacts/bundle/bundle.json", "code/tapetum/image.py"} <= set(files)
    assert "pickle" not in described + (stored / "requirements.txt").read_text()
    assert "model_code_path: mlflow_model.py\n" in described


def test_a_fresh_process_predicts_from_bytes_without_torch(place, stored, trained, tmp_path):
    bright, dark = (trained / "pictures" / label / "00.png" for label in ("bright", "dark"))
    junk = tmp_path / "note.txt"
    junk.write_text("no picture")

    ran = subprocess.run(
        [sys.executable, "-c", FRESH, str(bright), str(junk), str(dark)],
        cwd=place,
        env=os.environ | {"MLFLOW_TRACKING_URI": URI, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert [row["prediction"] for row in found["table"]] == ["bright", None, "dark"]
    assert "look like text" in found["table"][1]["error"]
    first = found["table"][0]
    assert first["confidence"] == first["probabilities"]["bright"] > 0.5
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert found["list"] == found["scored"] == found["table"]
    assert found["example"][0]["prediction"] in ("bright", "dark")
    assert found["none"] == 0
    assert not found["torch"]
    assert found["code"] == str(stored / "code" / "tapetum" / "__init__.py")
    sources = [Path(path) for path in found["loaded"]] + [stored / "mlflow_model.py"]
    owners = metadata.packages_distributions()
    listed = {line.split("==")[0] for line in (stored / "requirements.txt").read_text().splitlines()}
    assert [name for source in sources for name in libraries(source) if not listed & set(owners[name])] == []
