"""traceparent and tracestate as the W3C's recommendation has them."""

import re

import pytest
from starlette.datastructures import Headers

from tapetum.serving.tracing import follow

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def given(parents: list[str], states: list[str] | None = None) -> Headers:
    pairs = [("traceparent", value) for value in parents] + [("tracestate", value) for value in states or []]
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-ff", "01"),  # flags that nobody has defined are not passed on
        (f"cc-{TRACE}-{SPAN}-01", "01"),
        (f"cc-{TRACE}-{SPAN}-01-what the future may bring", "01"),
    ],
)
def test_a_trace_goes_on_with_a_span_of_our_own(parent, flags):
    trace = follow(given([parent]))

    assert (trace.trace_id, trace.flags) == (TRACE, flags)
    assert re.fullmatch("[0-9a-f]{16}", trace.span_id)
    assert trace.span_id != SPAN
    assert trace.headers == {"traceparent": f"00-{TRACE}-{trace.span_id}-{flags}"}


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [""],
        ["hello"],
        [f"00-{TRACE}-{SPAN}"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"00-{TRACE}-{SPAN}-01-"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"cc-{TRACE}-{SPAN}-01.more"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{TRACE[:-1]}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE}-{SPAN}-zz"],
        [f"00_{TRACE}_{SPAN}_01"],
        [f"00-{TRACE}-{SPAN}-01\n"],
        [f"00-{TRACE}-{SPAN}-01"] * 2,
    ],
    ids=str,
)
def test_a_malformed_trace_is_begun_anew_without_its_state(parents):
    first, second = (follow(given(parents, ["shop=1"])) for _ in range(2))

    assert re.fullmatch("[0-9a-f]{32}", first.trace_id)
    assert first.trace_id not in {TRACE, second.trace_id}
    assert first.headers == {"traceparent": f"00-{first.trace_id}-{first.span_id}-00"}


@pytest.mark.parametrize(
    ("states", "passed_on"),
    [
        (["shop=00f067aa0ba902b7,congo=t61rcWkgMzE"], "shop=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["shop=1", "congo=2"], "shop=1,congo=2"),
        (["shop=1 , ,\tcongo=a b"], "shop=1,congo=a b"),
        (["tenant@system=1"], "tenant@system=1"),
        ([",".join(f"k{number}=1" for number in range(32))], ",".join(f"k{number}=1" for number in range(32))),
        (["shop"], ""),
        (["Shop=1"], ""),
        (["shop=a=b"], ""),
        (["shop=é"], ""),
        (["shop=1,shop=2"], ""),
        (["shop=" + "x" * 600], ""),
        ([",".join(f"k{number}=1" for number in range(33))], ""),
        ([""], ""),
    ],
    ids=str,
)
def test_the_state_is_passed_on_whole_or_not_at_all(states, passed_on):
    assert follow(given([f"00-{TRACE}-{SPAN}-01"], states)).state == passed_on
