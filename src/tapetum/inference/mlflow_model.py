"""A sealed bundle as a model of MLflow: bytes of pictures in a table in, answers in a table out.

MLflow runs this file where the model is loaded; nothing else imports it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.errors import PictureError
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Predictor, Result


class BundleModel(PythonModel):
    """Answers as the service does, in fp32, so that they are the same on every machine."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle, and hold it to its golden pictures. Raises BundleError."""
        bundle = bundles.load_sealed(Path(context.artifacts["bundle"]))
        engine = open_engine("openvino", bundle, "fp32", machine.cores())
        golden.check(bundle, engine)
        self._predictor = Predictor(bundle, engine)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A row for each picture of the first column, in order; a bad picture has an `error` and nothing else."""
        with ThreadPoolExecutor(machine.cores()) as pool:
            results = pool.map(lambda content: self._predictor.predict([content])[0], model_input.iloc[:, 0])
            rows = [self._to_row(result) for result in results]
        # Columns of objects: None stays None, where numbers would make it NaN, which is not JSON.
        return pd.DataFrame(rows, columns=["prediction", "confidence", "probabilities", "error"], dtype=object)

    def _to_row(self, result: Result) -> tuple[str | None, float | None, dict[str, float] | None, str | None]:
        if isinstance(result, PictureError):
            return None, None, None, str(result)
        labels = self._predictor.bundle.facts.labels
        return result.label, result.confidence, dict(zip(labels, result.probabilities.tolist(), strict=True)), None


set_model(BundleModel())
