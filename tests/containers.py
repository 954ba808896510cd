"""Containers for tests: a base image from the machine's own Debian mirror, images built upon it, and running ones."""

import ast
import fcntl
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic

import httpx
from ports import free_port

from tapetum import __version__, files

ROOT = Path(__file__).parents[1]
# Outside the tree, so that a second run need not make the base again; it may be deleted.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapetum-tests"
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ENGINE = """
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


@cache
def environment() -> dict[str, str]:
    """The environment of podman: it leaves the machine's own images alone, and needs no systemd."""
    CACHE.mkdir(parents=True, exist_ok=True)
    # Whole at any moment: podman of another worker may be reading them.
    files.write_text(CACHE / "containers.conf", ENGINE)
    files.write_text(CACHE / "storage.conf", STORAGE.format(folder=CACHE))
    return os.environ | {
        "CONTAINER_ENGINE": "podman",
        "CONTAINERS_CONF": str(CACHE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(CACHE / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }


def call(*command: str, must: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end in the root of the repository; podman elsewhere, since its monitor leaves files."""
    variables = environment()  # which makes the folder
    place = CACHE if command[0] == "podman" else ROOT
    ran = subprocess.run(command, env=variables, cwd=place, capture_output=True, text=True, timeout=600, check=False)
    assert not must or ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}\n{ran.stderr}"
    return ran


def podman(*arguments: str) -> str:
    return call("podman", *arguments).stdout.strip()


@cache
def base_image() -> str:
    """The name of a plain image with Python 3.11, made once for this machine."""
    codename = next(
        line.partition("=")[2]
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    name = f"localhost/tapetum-test-base:{codename}"
    if call("podman", "image", "exists", name, must=False).returncode == 0:
        return name
    sources = call("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)").stdout.splitlines()
    mirror = next(line.split()[1] for line in sources if line.split()[0] == codename)
    root = CACHE / f"root-{os.getpid()}"
    try:
        call("debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, str(root), mirror)
        (root / "usr/bin/python").symlink_to("python3")
        for left in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / left)
        packed = CACHE / f"{root.name}.tar"
        call("tar", "--directory", str(root), "--create", "--file", str(packed), ".")
        podman("import", str(packed), name)
        packed.unlink()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return name


def build(image: str, bundle: Path | None, folder: Path, must: bool = True) -> "subprocess.CompletedProcess[str]":
    """`make docker-build` upon the test's base, with the settings of pip and the certificates of this machine."""
    environment()
    # Two workers that build at once would make the base and every layer twice.
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Layers are kept for the next run; of those that nothing uses any more only the newest.
        podman("image", "prune", "--force", "--filter", "until=48h")
        arguments = ["--build-arg", f"BASE_IMAGE={base_image()}", "--secret", f"id=pip,src={_pip_settings(folder)}"]
        if Path(CERTIFICATES).exists():
            arguments += ["--secret", f"id=ca,src={os.environ.get('SSL_CERT_FILE', CERTIFICATES)}"]
        wanted = [f"IMAGE={image}", f"BUILD_ARGS={' '.join(arguments)}", f"BAKED={bundle or ''}"]
        return call("make", "docker-build", *wanted, must=must)


def untag(image: str) -> None:
    """Take the names that `build` gave from an image; another process of the tests may have given it others."""
    names = [f"{image}:{tag}" for tag in ("latest", __version__)]
    podman("untag", names[0], *names)


def _pip_settings(folder: Path) -> Path:
    """Where pip looks for packages on this machine, told by files or variables, as one file."""
    listed = call(sys.executable, "-m", "pip", "config", "list").stdout.splitlines()
    found = {line.partition("=")[0].rpartition(".")[2]: ast.literal_eval(line.partition("=")[2]) for line in listed}
    if "cert" in found:
        found["cert"] = CERTIFICATES
    lines = [f"{name} = {found[name]}" for name in ("index-url", "trusted-host", "proxy", "cert") if name in found]
    (folder / "pip.conf").write_text("\n".join(["[global]", *lines]) + "\n")
    return folder / "pip.conf"


class Container:
    """One that runs, by its name, with a client for it."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def execute(self, *command: str) -> str:
        return podman("exec", self.name, *command)

    def fact(self, template: str) -> str:
        return podman("inspect", "--format", template, self.name)

    def until_ready(self) -> None:
        deadline = monotonic() + 120
        pause = threading.Event()
        while not self._is_ready():
            assert self.fact("{{.State.Running}}") == "true", podman("logs", self.name)
            assert monotonic() < deadline, podman("logs", self.name)
            pause.wait(0.1)

    def _is_ready(self) -> bool:
        try:
            return self.client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(image: str, *options: str) -> Iterator[Container]:
    """A confined container that is ready, until the block ends."""
    name, port = f"{image}-{os.urandom(4).hex()}", free_port()
    confined = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]  # noqa: S108 - inside
    podman("run", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:8000", *confined, *options, image)
    container = Container(name, port)
    try:
        container.until_ready()
        yield container
    finally:
        container.client.close()
        podman("rm", "--force", "--time", "0", name)
