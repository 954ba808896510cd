"""Ray Serve, with a replica for each core."""

import threading

import ray
from model import CORES, PORT, Answer, open_model
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=CORES)
class Classifier:
    """The class of one picture."""

    def __init__(self) -> None:
        self.classify = open_model()

    async def __call__(self, request: Request) -> Answer:
        """Its class."""
        async with request.form() as form:
            return self.classify(await form["file"].read())


if __name__ == "__main__":
    # More processors than there are: its proxy and its controller want places too.
    ray.init(address="local", num_cpus=2 * CORES + 2, include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Classifier.bind(), route_prefix="/predict")
    threading.Event().wait()
