import asyncio
import os
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tapetum.inference.stderr import Stderr


@pytest.fixture
def heard() -> Callable[[list[bytes]], list[dict[str, object]]]:
    """What is logged of things said to a pipe, one after the other."""

    def listen(sayings: list[bytes]) -> list[dict[str, object]]:
        async def converse() -> None:
            read, write = os.pipe()
            stderr = Stderr(os.fdopen(read, "rb"), 4711)
            for said in sayings:
                os.write(write, said)
                assert stderr.hear()
            assert not stderr.hear()
            os.close(write)
            stderr.close()
            stderr.close()

        with capture_logs() as lines:
            asyncio.run(converse())
        return lines

    return listen


def test_what_is_said_in_one_go_is_one_line(heard):
    assert heard([b"TIFF: odd tag\n", b"half a line"]) == [
        {"event": "a worker says", "log_level": "warning", "pid": 4711, "text": text}
        for text in ("TIFF: odd tag", "half a line")
    ]


def test_bytes_that_are_no_text_are_shown_as_such(heard):
    (line,) = heard([b"tag \xff\xfe\n"])

    assert line["text"] == "tag \ufffd\ufffd"


def test_of_what_is_said_without_end_a_part_is_logged_and_the_rest_counted(heard):
    lines = heard([b"complaint\n"] * 100)

    logged = sum(bool(line["text"]) for line in lines)
    left_out = sum(int(str(line.get("left_out_bytes", 0))) for line in lines)
    assert left_out == 10 * (100 - logged)
    assert left_out > 0
