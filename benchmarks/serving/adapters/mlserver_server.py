"""MLServer, with a parallel worker for each core; pictures come as base64 in the Open Inference Protocol.

`model-settings.json` beside it names the class; MLSERVER_* variables have the rest.
"""

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from model import open_model


class Classifier(MLModel):
    """The class of one picture."""

    async def load(self) -> bool:
        """Once in each worker."""
        self.classify = open_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Its class."""
        (content,) = Base64Codec.decode_input(payload.inputs[0])
        label = str(self.classify(content)["prediction"])
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("prediction", [label])])
