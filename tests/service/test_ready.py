"""`python -m tapetum.delivery.ready`, which a container's HEALTHCHECK runs: it answers as /ready does."""

import os
import subprocess
import sys

import pytest
from running import listening, serve_command


def ready(service, **variables: str) -> "subprocess.CompletedProcess[str]":
    port = {"TAPETUM_PORT": str(service.client.base_url.port)}
    command = [sys.executable, "-m", "tapetum.delivery.ready"]
    return subprocess.run(
        command, env=os.environ | port | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - both are asked here
def test_a_service_that_is_ready_is(service, host):
    ran = ready(service, TAPETUM_HOST=host)

    assert (ran.returncode, ran.stdout) == (0, "")


def test_nobody_there_is_not(service):
    ran = ready(service, TAPETUM_PORT="9")

    assert ran.returncode == 1
    assert "no answer on port 9" in ran.stdout
    assert ran.stderr == ""


def test_where_probes_need_a_key_it_sends_one(bundle_path, tmp_path):
    (tmp_path / "keys").write_text("# of the shop\nan-api-key-of-the-shop\n")
    (tmp_path / "others").write_text("a-key-of-nobody-at-all\n")
    keys = {"TAPETUM_API_KEYS_FILE": str(tmp_path / "keys"), "TAPETUM_PROBES_NEED_KEY": "true"}
    sent = {"X-API-Key": "an-api-key-of-the-shop"}

    with listening(serve_command(bundle_path), tmp_path / "log", **keys) as service:
        service.until(lambda: service.client.get("/ready", headers=sent).status_code == 200)
        right = ready(service, **keys)
        without = ready(service)
        wrong = ready(service, **keys | {"TAPETUM_API_KEYS_FILE": str(tmp_path / "others")})

    assert right.returncode == 0, right.stdout
    assert without.returncode == 1
    assert "status 401" in without.stdout
    assert wrong.returncode == 1
    assert "nobody" not in wrong.stdout


def test_a_setting_that_cannot_be_read_is_named(service, tmp_path):
    missing = {"TAPETUM_API_KEYS_FILE": str(tmp_path / "none"), "TAPETUM_PROBES_NEED_KEY": "true"}

    wrong = ready(service, TAPETUM_PORT="door")
    none = ready(service, **missing)

    assert wrong.returncode == none.returncode == 1
    assert "TAPETUM_PORT is 'door'" in wrong.stdout
    assert "No such file" in none.stdout
