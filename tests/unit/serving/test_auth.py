"""Keys and what they open, on the application itself."""

from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from tapetum.errors import ConfigError
from tapetum.serving.app import create_app
from tapetum.serving.auth import GUARDS, OPEN, Keys, administering, observing
from tapetum.settings import Settings

CALLER, OPERATOR, STRANGER = "c" * 16, "o" * 16, "s" * 16
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, Path]:
    files = {"api_keys_file": tmp_path / "api", "operator_keys_file": tmp_path / "operator"}
    files["api_keys_file"].write_text(f"# of the shop\n{CALLER}\n\n{'d' * 16}\n")
    files["operator_keys_file"].write_text(OPERATOR)
    return files


def order() -> dict[str, str]:
    return {}


def service_of(**settings: object) -> FastAPI:
    """The service, with a statistic and an order to it, of the kinds that operators ask for."""
    app = create_app(Settings(**settings))
    app.get("/statistics", dependencies=[Depends(observing)])(order)
    app.post("/admin/order", dependencies=[Depends(administering)])(order)
    return app


async def ask(app: FastAPI, method: str, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.request(method, path, headers=headers)


PREDICT, TELL, OBSERVE, ADMINISTER, PROBE = (
    ("POST", "/predict"),
    ("POST", "/feedback"),
    ("GET", "/statistics"),
    ("POST", "/admin/order"),
    ("GET", "/metrics"),
)
BOTH = ("api_keys_file", "operator_keys_file")
# Through the guard the answer is that no model is loaded yet, or that nothing was said.
OPENED = {PREDICT: 503, TELL: 400, OBSERVE: 200, ADMINISTER: 200, PROBE: 200}


@pytest.mark.parametrize(
    ("files", "route", "opened_to"),
    [
        ((), PREDICT, {"", CALLER, OPERATOR}),
        ((), OBSERVE, {"", CALLER, OPERATOR}),
        ((), PROBE, {""}),
        (("api_keys_file",), PREDICT, {CALLER}),
        (("api_keys_file",), TELL, {CALLER}),
        (("api_keys_file",), OBSERVE, {CALLER}),
        (("operator_keys_file",), PREDICT, {"", CALLER, OPERATOR}),
        (("operator_keys_file",), TELL, {OPERATOR}),
        (("operator_keys_file",), OBSERVE, {OPERATOR}),
        (("operator_keys_file",), ADMINISTER, {OPERATOR}),
        (BOTH, PREDICT, {CALLER, OPERATOR}),
        (BOTH, TELL, {CALLER, OPERATOR}),
        (BOTH, OBSERVE, {OPERATOR}),
        (BOTH, ADMINISTER, {OPERATOR}),
        (BOTH, PROBE, {"", CALLER, STRANGER}),
    ],
)
async def test_a_route_opens_to_whom_it_should_and_to_nobody_else(key_files, files, route, opened_to):
    app = service_of(**{name: key_files[name] for name in files})

    for key in ("", CALLER, OPERATOR, STRANGER):
        response = await ask(app, *route, **({"Authorization": f"Bearer {key}"} if key else {}))
        is_open = key in opened_to or "" in opened_to
        assert response.status_code == (OPENED[route] if is_open else 401), key


async def test_without_operator_keys_administration_is_off(key_files):
    app = service_of(api_keys_file=key_files["api_keys_file"])

    refused = await ask(app, *ADMINISTER, **{"X-API-Key": CALLER})

    assert refused.status_code == 403
    assert "TAPETUM_OPERATOR_KEYS_FILE" in refused.json()["detail"]


async def test_without_any_keys_feedback_is_off_and_nothing_is_remembered_for_it(key_files):
    app = service_of()

    refused = await ask(app, *TELL)

    assert refused.status_code == 403
    assert "set TAPETUM_API_KEYS_FILE or TAPETUM_OPERATOR_KEYS_FILE to offer it" in refused.json()["detail"]
    assert app.state.feedback.observe not in app.state.observers
    with_keys = service_of(api_keys_file=key_files["api_keys_file"])
    assert with_keys.state.feedback.observe in with_keys.state.observers


async def test_probes_can_be_closed(key_files):
    app = service_of(probes_need_key=True, **key_files)

    for path in ("/health", "/metrics"):
        assert (await ask(app, "GET", path)).status_code == 401
        assert (await ask(app, "GET", path, **{"X-API-Key": OPERATOR})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {CALLER}"}, 503),
        ({"Authorization": f"bearer {CALLER}"}, 503),
        ({"X-API-Key": CALLER}, 503),
        ({"Authorization": f"Basic {CALLER}"}, 401),
        ({"Authorization": CALLER}, 401),
        ({"Authorization": f"Bearer {CALLER[:-1]}"}, 401),
        ({"Authorization": f"Bearer {CALLER}x"}, 401),
        ({"X-API-Key": "# of the shop"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "ÿ".encode("latin-1")}, 401),
    ],
    ids=str,
)
async def test_a_key_comes_in_either_header_and_whole(key_files, headers, status):
    response = await ask(service_of(**key_files), *PREDICT, **headers)

    assert response.status_code == status


async def test_the_refusal_is_a_problem_that_says_how_a_key_is_sent(key_files):
    refused = await ask(service_of(**key_files), *PREDICT, **{"X-API-Key": STRANGER})

    problem = refused.json()
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="tapetum"'
    assert problem["type"] == "urn:problem-type:tapetum:unauthorised"
    assert "Authorization: Bearer KEY" in problem["detail"]
    assert STRANGER not in refused.text


def unguarded(app: FastAPI) -> list[str | None]:
    """Paths that neither stand behind a guard nor in the list of open ones."""

    def is_safe(route: RouteContext) -> bool:
        calls = {dependency.call for dependency in getattr(getattr(route, "dependant", None), "dependencies", [])}
        return route.path in OPEN or bool(calls & set(GUARDS))

    return [route.path for route in iter_route_contexts(app.routes) if not is_safe(route)]


def test_every_route_is_guarded_or_known_to_be_open():
    app = create_app(Settings())

    assert {route.path for route in iter_route_contexts(app.routes)} >= {"/predict", "/metrics", *OPEN}
    assert unguarded(app) == []


def test_a_new_route_without_a_guard_is_found():
    app = create_app(Settings())
    app.get("/leak")(order)

    assert unguarded(app) == ["/leak"]


def test_the_schema_says_which_routes_take_a_key():
    schema = create_app(Settings()).openapi()

    assert schema["components"]["securitySchemes"].keys() == {"HTTPBearer", "APIKeyHeader"}
    assert "security" in schema["paths"]["/predict"]["post"]
    assert "security" not in schema["paths"]["/"]["get"]


def test_keys_are_read_again_when_the_file_changes(tmp_path):
    """Written beside and renamed, as an orchestrator swaps a secret."""
    path = tmp_path / "keys"
    path.write_text(CALLER)
    keys = Keys(path, "THE_KEYS")
    fresh = tmp_path / "fresh"
    fresh.write_text(f"{CALLER}\n{STRANGER}\n")
    assert not keys.hold(STRANGER)

    fresh.replace(path)
    assert keys.hold(STRANGER)
    assert keys.hold(CALLER)

    path.write_text(f"{STRANGER}\n")
    assert not keys.hold(CALLER)


@pytest.mark.parametrize("slip", [b"", b"# none yet\n", b"short\n", "schlüssel".encode() * 4, None], ids=str)
def test_a_slip_in_a_rotation_leaves_the_keys_of_before(tmp_path, slip):
    path = tmp_path / "keys"
    path.write_text(CALLER)
    keys = Keys(path, "THE_KEYS")

    if slip is None:
        path.unlink()
    else:
        path.write_bytes(slip)

    assert keys.hold(CALLER)
    assert not keys.hold("short")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "THE_KEYS cannot be read: No such file"),
        ("", "one key of at least 16 characters a line"),
        ("tooshort", "openssl rand -hex 32"),
        ("a key of several words", "without spaces"),
        ("schlüssel-schlüssel", "cannot be read: it is not plain ASCII"),
    ],
)
def test_a_file_without_good_keys_is_an_error_that_shows_none(tmp_path, content, words):
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=words) as caught:
        Keys(path, "THE_KEYS")

    assert not content or content not in str(caught.value)


def test_what_is_kept_of_a_key_is_not_the_key(key_files):
    keys = Keys(key_files["api_keys_file"], "THE_KEYS")

    assert CALLER.encode() not in repr(vars(keys)).encode()


def test_closed_probes_without_any_key_are_an_error():
    with pytest.raises(ConfigError, match="TAPETUM_PROBES_NEED_KEY is true, but there are no keys"):
        create_app(Settings(probes_need_key=True))
