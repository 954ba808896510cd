"""LitServe, with a worker for each core."""

from typing import Any

import litserve
from model import CORES, PORT, Answer, open_model


class Classifier(litserve.LitAPI):
    """The class of one picture."""

    def setup(self, device: str) -> None:
        """Once in each worker."""
        self.classify = open_model()

    def decode_request(self, request: dict[str, Any]) -> bytes:
        """A form's file."""
        content: bytes = request["file"].file.read()
        return content

    def predict(self, content: bytes) -> Answer:
        """Its class."""
        return self.classify(content)


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu", workers_per_device=CORES)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
