"""FastAPI as tutorials have it: everything on the event loop of one process."""

from fastapi import FastAPI, UploadFile
from model import Answer, open_model

app = FastAPI()
classify = open_model()


@app.post("/predict")
async def predict(file: UploadFile) -> Answer:
    """The class of one picture."""
    return classify(await file.read())
