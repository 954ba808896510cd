"""LitServe, with a worker for each core."""

import litserve
from fastapi import Request
from model import CORES, PORT, Answer, open_model


class Classifier(litserve.LitAPI):
    """The class of one picture."""

    def setup(self, device: str) -> None:
        """Once in each worker."""
        self.classify = open_model()

    def decode_request(self, request: Request) -> bytes:
        """A form's file; LitServe hands over the form where a Request is asked for."""
        content: bytes = request["file"].file.read()
        return content

    def predict(self, content: bytes) -> Answer:
        """Its class."""
        return self.classify(content)


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu", workers_per_device=CORES)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
