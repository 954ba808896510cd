"""BentoML, with a worker for each core."""

from pathlib import Path

import bentoml
from model import CORES, Answer, open_model


@bentoml.service(workers=CORES)
class Classifier:
    """The class of one picture."""

    def __init__(self) -> None:
        self.classify = open_model()

    @bentoml.api
    def predict(self, file: Path) -> Answer:
        """Its class."""
        return self.classify(file.read_bytes())
