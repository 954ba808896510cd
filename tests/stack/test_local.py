"""`make monitoring-local`: the stack by hand, in a network of its own, so that its ports are free."""

import shutil
import signal
import subprocess
import threading
from pathlib import Path

import yaml
from tools import require

SCRIPT = Path(__file__).parents[2] / "deploy" / "monitoring" / "local.sh"
ENTER = 'ip link set lo up && exec "$0" "$1"'


def test_the_stack_runs_on_one_machine_and_stops_on_ctrl_c(tmp_path):
    require("unshare", "nsenter", "ip", "curl", root=True)
    require("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
    variables = {
        "GMAIL_PASS": "abcd efgh",
        "TAPETUM_MAIL_FROM": "Cats <c@x.org>",
        "TAPETUM_MAIL_TO": "a@x.org, b@x.org",
    }
    # Who starts tests in the background has them ignore Ctrl-C, and a shell cannot take that back.
    command = ["env", "--default-signal=INT", "unshare", "-n", "sh", "-c", ENTER, str(SCRIPT), str(tmp_path / "kept")]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=variables | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    try:
        assert running.stdout is not None
        said = [next(running.stdout)]
        while "Ctrl-C" not in said[-1]:
            said.append(next(running.stdout))
        secret = tmp_path / "kept" / "configuration" / "gmail_pass"
        assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("abcd efgh", 0o600)
        for url in ("localhost:9090/-/ready", "localhost:9093/-/ready", "localhost:9100/metrics"):
            assert fetches(running.pid, url), url
    finally:
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=60)

    assert running.returncode == 0
    assert "stopped" in rest
    assert not secret.exists()
    assert any("connect one to http://localhost:9090" in line for line in said)
    assert any("nothing answers on port 8000 yet" in line for line in said)
    written = yaml.safe_load((tmp_path / "kept" / "configuration" / "alertmanager.yml").read_text())
    assert (written["global"]["smtp_from"], written["global"]["smtp_auth_username"]) == ("Cats <c@x.org>", "c@x.org")
    assert {mail["to"] for receiver in written["receivers"] for mail in receiver["email_configs"]} == {
        "a@x.org, b@x.org"
    }


def fetches(pid: int, url: str) -> bool:
    """Whether an address answers within some seconds, in the network of a process."""
    pause = threading.Event()
    command = ["nsenter", "-t", str(pid), "-n", "curl", "--silent", "--fail", "--output", "/dev/null", url]
    return any(subprocess.run(command).returncode == 0 or pause.wait(0.1) for _ in range(300))


def test_what_is_missing_is_named_with_how_to_get_it(tmp_path):
    for name in ("dirname", "cat"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))

    ran = subprocess.run(["/bin/sh", SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True)

    assert ran.returncode == 1
    assert ran.stderr.startswith("missing: prometheus\n")
    assert "apt-get install prometheus prometheus-alertmanager prometheus-node-exporter" in ran.stderr
