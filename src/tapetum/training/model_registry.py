"""A sealed bundle as a model in MLflow's registry: models:/NAME@challenger."""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

import tapetum
from tapetum.bundle import Bundle

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model

ALIAS = "challenger"
CODE = Path(tapetum.__file__).parent
# What predicting imports, besides the package's own code, which travels with the model.
REQUIREMENTS = ("mlflow", "numpy", "openvino", "pandas", "pillow", "pydantic", "simplejpeg")
_RESIZER = "cykooz-resizer"  # which not every platform has


def register(client: "MlflowClient", run_id: str, name: str, bundle: Bundle, tags: Mapping[str, str]) -> str:
    """Keep a sealed bundle as a model of a run, register it under `name`, move the alias to it; its version.

    The alias moves last, so it never names a model that is not there whole.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id, name, source_run_id=run_id, tags=dict(tags), params=run.data.params
    )
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with tempfile.TemporaryDirectory() as place:
        model = Model(logged.artifact_location, run_id, model_uuid=logged.model_id, model_id=logged.model_id)
        save(bundle, Path(place) / "model", model)
        client.log_model_artifacts(logged.model_id, f"{place}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    facts = bundle.facts
    try:
        client.create_registered_model(name, description=facts.title)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    description = f"{facts.title}: {facts.architecture}, version {facts.version}, made by Tapetum {facts.code_version}"
    source = f"models:/{logged.model_id}"
    registered = client.create_model_version(
        name, source, run_id, dict(tags), description=description, model_id=logged.model_id
    )
    client.set_registered_model_alias(name, ALIAS, registered.version)
    return str(registered.version)


def prepare() -> None:
    """Have MLflow look through all installed packages, as it does before it saves a first model: most of a second."""
    with suppress(Exception):  # it is not public, and all that it saves is time
        from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

        warn_dependency_requirement_mismatches(_requirements())


def _requirements() -> list[str]:
    required = [*REQUIREMENTS, *([_RESIZER] if util.find_spec(_RESIZER.replace("-", "_")) else [])]
    return [f"{name}=={metadata.version(name)}" for name in required]


def save(bundle: Bundle, path: Path, model: "Model") -> None:
    """Write a sealed bundle as a model of MLflow: code and files, nothing pickled, nothing guessed.

    Its input is one column without a name, which a list of bytes fits as well as a table.
    """
    import pandas as pd
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Map

    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "prediction", required=False),
        ColSpec(DataType.double, "confidence", required=False),
        ColSpec(Map(DataType.double), "probabilities", required=False),
        ColSpec(DataType.string, "error", required=False),
    ]
    example = next(iter(bundle.golden().pictures.values()))
    pyfunc.save_model(
        path,
        mlflow_model=model,
        python_model=str(CODE / "inference" / "mlflow_model.py"),
        artifacts={"bundle": str(bundle.path)},
        code_paths=[str(CODE)],
        signature=ModelSignature(Schema([ColSpec(DataType.binary)]), Schema(outputs)),
        input_example=pd.DataFrame({"image": [example]}),
        pip_requirements=_requirements(),
    )
    # MLflow notes where the code lay on this machine, and with which cloudpickle it pickled nothing.
    flavour = model.flavors["python_function"]
    del flavour["cloudpickle_version"]
    flavour["model_code_path"] = Path(flavour["model_code_path"]).name
    model.save(str(path / "MLmodel"))
