"""The protocol's bytes, apart from any service."""

import gzip
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from tapetum.errors import BodyTooLarge, RequestError
from tapetum.serving import problems
from tapetum.serving.oip import compression, tensors
from tapetum.serving.oip.models import ModelMetadata, Tensor
from tapetum.serving.oip.request import Inference, parse
from tapetum.serving.paths import INFER, PREDICTING, Paths

MOST = 4
OUTPUTS = [
    Tensor(name="probabilities", datatype="FP32", shape=[-1, 2]),
    Tensor(name="label", datatype="BYTES", shape=[-1]),
]
FILES = ModelMetadata(
    name="cats", versions=["1"], inputs=[Tensor(name="picture", datatype="BYTES", shape=[-1])], outputs=OUTPUTS
)
PIXELS = ModelMetadata(
    name="cats-tensor",
    versions=["1"],
    inputs=[Tensor(name="pixels", datatype="UINT8", shape=[-1, 2, 2, 3])],
    outputs=OUTPUTS,
)


def request_of(model: ModelMetadata, count: int, binary: bytes) -> tuple[bytes, str]:
    """A request for so many pictures with binary data, and its header."""
    (taken,) = model.inputs
    given_input = {"name": taken.name, "datatype": taken.datatype, "shape": [count, *taken.shape[1:]]}
    head = json.dumps({"inputs": [given_input | {"parameters": {"binary_data_size": len(binary)}}]}).encode()
    return head + binary, str(len(head))


def outcome(body: bytes, header: str | None, model: ModelMetadata) -> Inference | RequestError:
    """What a body is; anything but a request or a mistake of the caller's fails the test."""
    try:
        return parse(body, header, model, MOST)
    except RequestError as error:
        return error


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=MOST))
def test_the_clients_files_arrive_as_they_were_sent(files):
    encoded = serialize_byte_tensor(np.array(files, np.object_)).item()

    assert parse(*request_of(FILES, len(files), encoded), FILES, MOST).pictures == files


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_our_words_arrive_at_the_client_as_they_were_sent(words):
    assert [word.decode() for word in deserialize_bytes_tensor(tensors.bytes_of(words))] == words


@given(st.integers(1, MOST), st.data())
def test_pixels_are_the_bytes_of_the_body(count, data):
    sent = data.draw(st.binary(min_size=12 * count, max_size=12 * count))
    body, header = request_of(PIXELS, count, sent)

    pictures = parse(body, header, PIXELS, MOST).pictures

    assert b"".join(picture.tobytes() for picture in pictures) == sent
    assert all(np.shares_memory(picture, np.frombuffer(body, np.uint8)) for picture in pictures)


@settings(max_examples=300)
@given(
    count=st.integers(0, MOST + 1),
    binary=st.binary(max_size=60) | st.lists(st.sampled_from([b"\1\0\0\0x", b"\xff\xff\xff\xff", b"\0"])).map(b"".join),
    model=st.sampled_from([FILES, PIXELS]),
)
def test_binary_data_are_taken_whole_or_refused(count, binary, model):
    found = outcome(*request_of(model, count, binary), model)

    if isinstance(found, Inference):
        taken = sum(memoryview(picture).nbytes for picture in found.pictures)
        assert len(found.pictures) == count
        assert taken + (4 * count if model is FILES else 0) == len(binary)


@settings(max_examples=300)
@given(body=st.binary(max_size=80), header=st.none() | st.text(max_size=6) | st.integers(0, 90).map(str))
def test_no_bytes_are_more_than_a_mistake(body, header):
    for model in (FILES, PIXELS):
        outcome(body, header, model)


@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"id": ' * 50_000, b'{"id": "\\ud800"}', b'{"a": ' + b"9" * 9999 + b"}"]
)
def test_json_that_parsers_stumble_over_is_a_mistake(text):
    assert isinstance(outcome(text, None, FILES), RequestError)


def test_a_json_of_too_many_values_is_refused_before_it_is_read():
    with pytest.raises(BodyTooLarge, match="send tensors in the binary form"):
        parse(b'{"inputs": [' + b"[]," * 400_000, None, FILES, MOST)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=3000))
def test_what_was_compressed_unfolds(encoding, content):
    assert compression.inflate(compression.deflate(content, encoding), encoding, 3000) == content


def test_the_encodings_are_those_of_http():
    assert compression.inflate(gzip.compress(b"a cat"), "gzip", 5) == b"a cat"
    assert compression.inflate(zlib.compress(b"a cat"), "deflate", 5) == b"a cat"


def test_a_bomb_is_refused_as_soon_as_it_is_too_large():
    with pytest.raises(BodyTooLarge, match=r"over 0\.1 MB"):
        compression.inflate(gzip.compress(bytes(10_000_000)), "gzip", 100_000)


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=60))
def test_damaged_compression_is_a_mistake(encoding, content):
    start = compression.deflate(b"a cat and a dog", encoding)[:12]
    for body in (content, start + content):
        with pytest.raises(RequestError):
            compression.inflate(body, encoding, 100)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br, GZIP;q=0.5, deflate", "gzip"),
        ("gzip;q=0, deflate; q=1", "deflate"),
        ("gzip;q=0.000", None),
        ("identity", None),
        ("*", None),
    ],
)
def test_what_a_client_accepts_is_read(header, encoding):
    assert compression.accepted(header) == encoding


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/predict", "/predict"),
        ("/v2/models/cats/infer", INFER),
        ("/v2/models/cats/versions/1/infer", "/v2/models/{name}/versions/{version}/infer"),
        ("/v2/models/cats/dogs/infer", None),
        ("/v2/models//infer", None),
        ("/v2/models/cats", None),
        ("/", None),
    ],
)
def test_a_path_is_known_by_its_template_or_not_at_all(path, template):
    assert Paths(PREDICTING).template_of(path) == template


@pytest.mark.parametrize(
    ("path", "members"), [("/v2", {"error"}), ("/v2/x", {"error"}), ("/v2x", set(problems.Problem.model_fields))]
)
def test_what_a_connection_answers_by_itself_speaks_the_protocol_too(path, members):
    ids = {"request_id": "1", "trace_id": "2", "span_id": "3"}

    written = problems.write(problems.TOO_SLOW, "send it faster", path, ids, {})

    assert written.status == 408
    assert json.loads(written.body).keys() == members
