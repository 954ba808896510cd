"""What the front knows of each picture, as one record."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from anyio.lowlevel import checkpoint

from tapetum.serving.app import create_app
from tapetum.serving.record import Exchange, Record
from tapetum.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exchanges() -> list[Exchange]:
    return []


@pytest.fixture
def records(exchanges) -> Callable[[], list[Record]]:
    return lambda: [record for exchange in exchanges for record in exchange.records]


@pytest.fixture
async def client(bundle_path, exchanges) -> AsyncIterator[httpx.AsyncClient]:
    """An application in this process, ready, with an observer."""
    app = create_app(Settings(bundle=bundle_path, workers=0))
    app.state.observers.append(exchanges.append)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as asking,
    ):
        while (await asking.get("/ready")).status_code != 200:
            await checkpoint()  # which the request itself is not, where nothing in it waits
        exchanges.clear()
        yield asking


@pytest.fixture
def bright(trained) -> bytes:
    return (trained / "pictures" / "bright" / "00.png").read_bytes()


async def test_an_answered_picture_is_known_with_all_its_facts(client, records, bright):
    answer = (await client.post("/predict", content=bright, headers={"X-Request-ID": "order-66"})).json()

    (record,) = records()
    assert (record.request_id, record.path, record.outcome, record.status) == ("order-66", "/predict", "answered", 200)
    assert (record.size, record.width, record.height) == (len(bright), 24, 24)
    assert (record.label, record.confidence) == (answer["prediction"], answer["confidence"])
    assert record.margin == pytest.approx(answer["probabilities"]["bright"] - answer["probabilities"]["dark"])
    assert (record.model, record.version) == (answer["model"]["name"], answer["model"]["version"])
    assert record.decode_s is not None
    assert record.inference_s is not None
    assert 0 <= record.queue_s < record.queue_s + record.decode_s + record.inference_s < record.total_s


async def test_each_picture_of_a_batch_has_a_record(client, records, bright):
    await client.post("/predict/batch", files=[("files", bright), ("files", b"hello"), ("files", bright)])

    assert [record.outcome for record in records()] == ["answered", "not-a-picture", "answered"]
    assert [record.size for record in records()] == [len(bright), 5, len(bright)]
    assert len({record.request_id for record in records()}) == 1


@pytest.mark.parametrize(
    ("request_of", "outcome", "status"),
    [
        ({"content": b""}, "missing-picture", 422),
        ({"content": b"hello"}, "not-a-picture", 415),
        ({"content": bytes(20_000_001)}, None, 413),
        ({"content": b"x", "headers": {"X-Request-Timeout": "soon"}}, "malformed-request", 400),
    ],
)
async def test_a_request_without_an_answer_has_a_record_unless_it_was_refused_by_its_head(
    client, records, request_of, outcome, status
):
    response = await client.post("/predict", **request_of)

    assert response.status_code == status
    assert [(record.outcome, record.status, record.label) for record in records()] == (
        [(outcome, status, None)] if outcome else []
    )


async def test_a_request_is_known_by_its_route_and_what_it_weighed(client, exchanges, bright):
    answer = await client.post("/predict", content=bright, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    refusal = await client.post("/predict", content=b"hello")
    await client.get("/ready")
    await client.get("/nowhere/at/all")

    assert [(each.method, each.route, each.status, each.problem, len(each.records)) for each in exchanges] == [
        ("POST", "/predict", 200, None, 1),
        ("POST", "/predict", 415, "not-a-picture", 1),
        ("GET", "/ready", 200, None, 0),
        ("GET", "other", 404, "not-found", 0),
    ]
    assert [(each.received, each.sent) for each in exchanges[:2]] == [
        (len(bright), len(answer.content)),
        (5, len(refusal.content)),
    ]
    assert exchanges[0].trace_id == "a" * 32
    assert all(each.total_s > 0 for each in exchanges)


async def test_an_observer_that_fails_costs_neither_the_answer_nor_the_others(client, exchanges, bright):
    def fail(exchange: Exchange) -> None:
        raise ValueError("not today")

    observers = client._transport.app.state.observers
    observers.insert(0, fail)

    assert (await client.post("/predict", content=bright)).status_code == 200
    assert len(exchanges) == 1


async def test_what_a_request_held_is_given_back(client, bright):
    store = client._transport.app.state.store
    await client.post("/predict", content=bright)
    await client.post("/predict", content=b"hello")

    assert store.held == 0
