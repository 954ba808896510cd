import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapetum.errors import BodyTooLarge, MalformedRequest, MissingPicture
from tapetum.serving import forms

BOUNDARY = b"b0undary"


def part(content: bytes, disposition: bytes = b'form-data; name="file"; filename="a"', *headers: bytes) -> bytes:
    lines = (b"Content-Disposition: " + disposition, *headers)
    return b"--" + BOUNDARY + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


@given(st.lists(st.binary(max_size=200).filter(lambda content: BOUNDARY not in content), min_size=1, max_size=5))
def test_what_was_put_into_a_form_comes_out(contents):
    assert forms.files(form(*map(part, contents)), BOUNDARY, "file", 5) == contents


@pytest.mark.parametrize(
    "disposition",
    [
        b'form-data; name="file"; filename="a.jpg"',
        b'form-data; filename="a.jpg"; name="file"',
        b"form-data; name=file; filename=a.jpg",
        b'form-data;name="file";filename=""',
        b'FORM-DATA; NAME="file"; FILENAME="a.jpg"',
        b'form-data; name="file"; filename="semicolon; name=other.jpg"',
        b'form-data; name="file"; filename="a quote \\"; name=other.jpg"',
    ],
)
def test_a_file_is_known_by_its_field_however_that_is_written(disposition):
    assert forms.files(form(part(b"content", disposition)), BOUNDARY, "file", 1) == [b"content"]


def test_headers_besides_and_before_the_disposition_do_not_matter():
    head = b"content-type: image/jpeg\r\ncontent-disposition: form-data; name=file; filename=a"
    written = b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\ncontent\r\n"

    assert forms.files(form(written), BOUNDARY, "file", 1) == [b"content"]


def test_fields_that_are_no_files_of_that_name_are_passed_over_and_named():
    others = (part(b"1", b'form-data; name="file"'), part(b"2", b'form-data; name="other"; filename="a"'))

    with pytest.raises(MissingPicture, match=r"fields: file, other"):
        forms.files(form(*others), BOUNDARY, "file", 1)
    assert forms.files(form(*others, part(b"3")), BOUNDARY, "file", 1) == [b"3"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no form", id="no-form"),
        pytest.param(part(b"content"), id="no-end"),
        pytest.param(part(b"content")[:-40], id="torn"),
        pytest.param(b"--" + BOUNDARY, id="boundary-alone"),
        pytest.param(b"--" + BOUNDARY + b"x" + form(part(b"content")), id="boundary-goes-on"),
        pytest.param(b"--" + BOUNDARY + b"\r\nno head\r\n" + form(), id="no-head"),
        pytest.param(form(part(b"content", b"form-data", *[b"X: y"] * 1000)), id="long-head"),
    ],
)
def test_what_is_no_form_is_malformed(body):
    with pytest.raises(MalformedRequest):
        forms.files(body, BOUNDARY, "file", 1)


def test_files_and_parts_are_bounded_in_number():
    with pytest.raises(BodyTooLarge, match="more than 2 files"):
        forms.files(form(*[part(b"1")] * 3), BOUNDARY, "file", 2)
    with pytest.raises(BodyTooLarge, match="more than 18 parts"):
        forms.files(form(*[part(b"1", b"form-data; name=x")] * 19), BOUNDARY, "file", 2)


@pytest.mark.parametrize("written", [b"boundary=b0undary", b'boundary="b0undary"', b"charset=utf-8; BOUNDARY=b0undary"])
def test_the_boundary_is_read_as_it_may_be_written(written):
    assert forms.boundary_of(b"multipart/form-data; " + written) == BOUNDARY


@pytest.mark.parametrize("written", [b"", b"; boundary=", b'; boundary=""', b"; boundary=" + b"b" * 71])
def test_a_boundary_that_cannot_be_one_is_malformed(written):
    with pytest.raises(MalformedRequest, match="names no boundary"):
        forms.boundary_of(b"multipart/form-data" + written)
