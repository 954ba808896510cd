"""What the doctor says of machines laid out as kernels and package managers lay them out."""

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tapetum.doctor import computing, credentials, installed, programs
from tapetum.doctor.finding import Finding
from tapetum.doctor.programs import Program

XEON = "processor : 0\nmodel name : Xeon\nflags : fpu avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8\n"
OLD = "processor : 0\nmodel name : Celeron\nflags : fpu sse4_2\n"
ARM = "processor : 0\nFeatures : fp asimd asimddp bf16\n"


def by_name(findings) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def machine(root: Path, cpuinfo: str, meminfo: str = "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n") -> Path:
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(cpuinfo)
    (root / "proc" / "meminfo").write_text(meminfo)
    return root


@pytest.mark.parametrize(
    ("cpuinfo", "bf16", "int8", "vectors"),
    [
        (XEON, "AMX, AVX-512", "AMX, AVX-512 VNNI", "fp32 in AVX-512"),
        (OLD, "not in hardware", "not in hardware", "without AVX2"),
        (ARM, "Arm", "Arm", "fp32 in NEON"),
    ],
    ids=["xeon", "old", "arm"],
)
def test_the_processors_flags_are_said_as_what_they_mean(tmp_path, cpuinfo, bf16, int8, vectors):
    found = by_name(computing.look(machine(tmp_path, cpuinfo)))

    assert (found["bf16"].found, found["int8"].found) == (bf16, int8)
    assert found["bf16"].state == ("missing" if bf16 == "not in hardware" else "ok")
    assert vectors in found["processor"].meaning


def test_memory_is_that_of_the_container(tmp_path):
    root = machine(tmp_path, XEON)
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (root / "proc" / "self").mkdir()
    (root / "proc" / "self" / "cgroup").write_text("0::/\n")
    for name, content in {"max": "1000000000", "current": "400000000", "stat": "inactive_file 0\n"}.items():
        (group / f"memory.{name}").write_text(content)

    memory = by_name(computing.look(root))["memory"]

    assert (memory.state, memory.found) == ("warning", "0.6 of 1.0 GB free")


def test_the_engine_of_the_base_is_there(tmp_path):
    assert by_name(computing.look(machine(tmp_path, XEON)))["OpenVINO"].state == "ok"


def versions(**known: str):
    def version(name: str) -> str:
        if name not in known:
            raise PackageNotFoundError(name)
        return known[name]

    return version


def test_a_missing_or_old_package_breaks_the_base_and_a_missing_extra_does_not():
    needed = ["numpy>=2.4", "pillow>=13.0", "torch<2.15,>=2.14; extra == 'train'", "x>=1; sys_platform == 'other'"]

    broken = by_name(installed.look(needed, versions(numpy="2.3.9")))
    whole = by_name(installed.look(needed, versions(numpy="2.10.0", pillow="13.0")))

    assert (broken["tapetum"].state, broken["tapetum"].found) == (
        "broken",
        "numpy is 2.3.9, at least 2.4 is needed, pillow is missing",
    )
    assert whole["tapetum"].state == "ok"
    assert whole["train"].state == "missing"
    assert "pip install 'tapetum[train]'" in whole["train"].meaning


def test_programs_are_found_by_either_name_and_asked_for_their_version(tmp_path):
    for name, script in {"other": "echo version 1.2.3", "sick": "echo 'no daemon' >&2; exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    asked = tuple(
        Program(names, ("--version",), "tests", "make one") for names in (("one", "other"), ("sick",), ("none-such",))
    )

    found = by_name(programs.look(asked, beside=tmp_path))

    assert (found["one"].state, found["one"].found) == ("ok", "1.2.3")
    assert (found["sick"].state, found["sick"].found) == ("warning", "no daemon")
    assert (found["none-such"].state, found["none-such"].meaning) == ("missing", "for tests: make one")


def test_a_port_in_use_is_told_from_a_free_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (used,) = programs.ports({port: "the service"})
    (free,) = programs.ports({port: "the service"})

    assert (used.state, used.found) == ("warning", "in use")
    assert (free.state, free.found) == ("ok", "free")


def test_a_secret_is_there_or_not_and_never_said(tmp_path):
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "me", "key": "the-secret"}))
    (tmp_path / ".kaggle" / "kaggle.json").chmod(0o644)
    given = {"GMAIL_PASS": "the-secret", "TAPETUM_MAIL_FROM": "me@example.org", "REGISTRY_TOKEN": "the-secret"}

    found = by_name(credentials.look(given, tmp_path, tmp_path))

    assert (found["Kaggle"].state, found["registry"].state) == ("warning", "ok")
    assert found["Kaggle"].meaning == f"chmod 600 {tmp_path}/.kaggle/kaggle.json"
    assert found["alerts by mail"].found == "no TAPETUM_MAIL_TO"
    assert "the-secret" not in repr(found)


def test_credentials_that_are_not_there_come_with_the_remedy(tmp_path):
    found = by_name(credentials.look({}, tmp_path, tmp_path))

    assert {finding.state for finding in found.values()} == {"missing"}
    assert "KAGGLE_USERNAME" in found["Kaggle"].meaning


def test_a_login_of_docker_is_found_by_the_host(tmp_path):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"auths": {"ghcr.io": {"auth": "the-secret"}}}')
    (tmp_path / ".docker" / "config.json").chmod(0o600)

    found = by_name(credentials.look({}, tmp_path, tmp_path))["registry"]

    assert (found.state, found.meaning) == ("ok", "for `make docker-push`: ghcr.io")


def doctor(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TAPETUM_")}
    environment = plain | {"HOME": str(folder)} | variables
    program = (
        "import sys\nfrom tapetum.cli.main import main\ntry:\n    main()\n"
        "finally:\n    assert not {'torch', 'mlflow', 'timm', 'sklearn'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, "doctor", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_doctor_says_it_all_as_json_without_torch(tmp_path):
    ran = doctor(tmp_path, "--json")

    assert (ran.returncode, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert report["ok"] is True
    areas = {finding["area"] for finding in report["findings"]}
    assert areas == {"install", "extras", "computing", "programs", "ports", "credentials", "settings"}
    assert all(finding["meaning"] for finding in report["findings"])


def test_a_setting_that_nobody_understands_breaks_the_base(tmp_path):
    ran = doctor(tmp_path, TAPETUM_PORT="none")

    assert ran.returncode == 1, ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("broken")]
    assert "TAPETUM_PORT is 'none'" in line
    assert ran.stdout.splitlines()[-1].endswith("1 broken: see what is broken")
