"""Requests of the Open Inference Protocol, as its own client and others make them."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from running import Service
from tritonclient.http import InferenceServerClient, InferInput, InferResult

INFER = "/v2/models/pictures/infer"
SIZE = "Inference-Header-Content-Length"


@contextmanager
def client_of(service: Service) -> Iterator[InferenceServerClient]:
    """The protocol's client, with some connections."""
    address = service.client.base_url
    with InferenceServerClient(f"{address.host}:{address.port}", concurrency=8) as client:
        yield client


def of_files(contents: list[bytes], shape: list[int] | None = None, is_binary: bool = True) -> list[InferInput]:
    sent = contents if is_binary else [b64encode(content) for content in contents]
    tensor = np.array(sent, np.object_).reshape(shape or [len(contents)])
    return [InferInput("picture", list(tensor.shape), "BYTES").set_data_from_numpy(tensor, binary_data=is_binary)]


def of_pixels(pixels: np.ndarray, is_binary: bool = True) -> list[InferInput]:
    return [InferInput("pixels", list(pixels.shape), "UINT8").set_data_from_numpy(pixels, binary_data=is_binary)]


def words(result: InferResult, name: str = "label") -> list[Any]:
    """The elements of a BYTES output, which come as text where they came in JSON."""
    return np.vectorize(lambda word: word if isinstance(word, str) else word.decode())(result.as_numpy(name)).tolist()


def post(service: Service, body: Any, path: str = INFER, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return service.client.post(path, content=content, headers=headers)
