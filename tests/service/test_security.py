"""Keys, ids, headers and confinement of a real server process."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from running import serve_command

KEY, OPERATOR = "an-api-key-of-the-shop", "an-operator-key-of-night-shift"
NOBODY = 54321  # a user that no passwd file knows


def test_keys_open_and_stand_nowhere_else(start, tmp_path, bright):
    """Right and wrong keys, a rotation, and then no trace of any in the log."""
    keys, wrong = tmp_path / "keys", "a-key-that-nobody-gave-out"
    keys.write_text(KEY)
    service = start(TAPETUM_API_KEYS_FILE=str(keys))
    client = service.client

    def ask(**headers: str) -> int:
        return client.post("/predict", content=bright, headers=headers).status_code

    assert (ask(), ask(Authorization=f"Bearer {wrong}"), ask(**{"X-API-Key": wrong})) == (401, 401, 401)
    assert (ask(Authorization=f"Bearer {KEY}"), ask(**{"X-API-Key": KEY})) == (200, 200)
    keys.write_text(OPERATOR)
    assert (ask(**{"X-API-Key": KEY}), ask(**{"X-API-Key": OPERATOR})) == (401, 200)
    assert {client.get(path).status_code for path in ("/health", "/ready", "/metrics")} == {200}
    service.logged(1, event="keys read again")
    log = service.log.read_text()
    assert not [key for key in (KEY, OPERATOR, wrong) if key in log]


def test_the_settings_show_the_file_and_no_key(run_until_exit, tmp_path):
    (tmp_path / "keys").write_text(KEY)

    shown = run_until_exit("config", "show", TAPETUM_API_KEYS_FILE=str(tmp_path / "keys"))

    assert re.search(r"TAPETUM_API_KEYS_FILE +\S+/keys +environment", shown.stdout)
    assert KEY not in shown.stdout + shown.stderr


def test_a_file_of_keys_that_is_not_there_ends_the_start(run_until_exit, bundle_path):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", TAPETUM_API_KEYS_FILE="nowhere")

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "tapetum: the file of TAPETUM_API_KEYS_FILE cannot be read: No such"
    )


def test_a_device_that_cannot_be_had_ends_the_start(run_until_exit, bundle_path):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", TAPETUM_DEVICE="cuda")

    assert ended.returncode == 2
    assert "OpenVINO has no CUDA: set the device to auto or cpu" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(("keys", "is_warned"), [(None, True), (KEY, False)])
def test_an_open_service_beyond_loopback_is_warned_of(start, tmp_path, bundle_path, keys, is_warned):
    variables = {}
    if keys:
        (tmp_path / "keys").write_text(keys)
        variables["TAPETUM_API_KEYS_FILE"] = str(tmp_path / "keys")

    service = start([*serve_command(bundle_path), "--host", "0.0.0.0"], **variables)  # noqa: S104 - what it warns of

    warnings = [line for line in service.lines() if line["level"] == "warning"]
    assert any("TAPETUM_API_KEYS_FILE" in str(line["event"]) for line in warnings) is is_warned


def test_ids_of_the_trace_stand_in_answer_problem_and_log(service):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": "shop=1"}

    response = service.client.post("/predict", content=b"no picture", headers=headers)

    problem = response.json()
    assert response.headers["traceparent"] == f"00-{trace}-{problem['span_id']}-01"
    assert response.headers["tracestate"] == "shop=1"
    assert problem["trace_id"] == trace
    (line,) = service.logged(event="request", request_id=problem["request_id"])
    assert (line["trace_id"], line["span_id"]) == (trace, problem["span_id"])


def test_every_answer_carries_its_safety_and_no_banner(service):
    for path in ("/", "/health", "/nothing"):
        headers = service.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert "Server" not in headers


def test_pages_of_elsewhere_may_not_call(service, bright):
    asked = service.client.options(
        "/predict", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    )
    answered = service.client.post("/predict", content=bright, headers={"Origin": "https://shop.example"})

    assert asked.status_code == 405
    assert not [name for name in (*asked.headers, *answered.headers) if name.startswith("access-control")]


def test_pages_of_the_origins_that_are_set_may_call(start, bright):
    client = start(TAPETUM_CORS_ORIGINS="https://shop.example, http://localhost:3000").client

    def origin_allowed(origin: str) -> str | None:
        asked = client.options(
            "/predict",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, x-request-id, content-type",
            },
        )
        answered = client.post("/predict", content=bright, headers={"Origin": origin})
        assert asked.headers.get("Access-Control-Allow-Origin") == answered.headers.get("Access-Control-Allow-Origin")
        return answered.headers.get("Access-Control-Allow-Origin")

    assert origin_allowed("https://shop.example") == "https://shop.example"
    assert origin_allowed("http://localhost:3000") == "http://localhost:3000"
    assert origin_allowed("https://shop.example.evil") is None


@pytest.mark.parametrize("origins", ["shop.example", "https://shop.example/path", "*, https://a", "https://a b"])
def test_origins_that_are_none_are_named(run_until_exit, bundle_path, origins):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", TAPETUM_CORS_ORIGINS=origins)

    assert ended.returncode == 2
    assert f"TAPETUM_CORS_ORIGINS is {origins!r}" in ended.stderr


CONFINED = """
for place in / /tmp /var/tmp /dev/shm; do
  mountpoint -q $place && mount -o remount,bind,ro $place
done
cd /
exec env -u COVERAGE_PROCESS_CONFIG -u COVERAGE_PROCESS_START HOME=/nowhere TMPDIR=/nowhere \
  setpriv --reuid USER --regid USER --clear-groups --no-new-privs --bounding-set=-all,+dac_read_search \\
  --inh-caps=+dac_read_search --ambient-caps=+dac_read_search "$@"
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can become an unknown user")
def test_the_service_runs_as_anyone_and_writes_nowhere(start, bundle_path, bright):
    """As a user without a name, where every file system is read-only: large uploads too stay in memory.

    It may read what only root may, since Python itself may lie in root's home.
    """
    for folder in (*bundle_path.parents, bundle_path, bundle_path / "golden"):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    script = CONFINED.replace("USER", str(NOBODY))
    shell = ["unshare", "--mount", "sh", "-eu", "-c", script, "confined"]

    service = start([*shell, *serve_command(bundle_path)])

    status = Path(f"/proc/{service.process.pid}/status").read_text()
    assert re.search(rf"^Uid:\t{NOBODY}\t{NOBODY}", status, flags=re.MULTILINE)
    mounts = Path(f"/proc/{service.process.pid}/mounts").read_text()
    assert re.search(r"^\S+ / \S+ ro[, ]", mounts, flags=re.MULTILINE)
    large = bright + bytes(5_000_000)
    assert service.client.post("/predict", content=bright).status_code == 200
    assert service.client.post("/predict", files={"file": large}).json()["prediction"] == "bright"
    assert not [line for line in service.lines() if line["level"] in {"warning", "error"}]
