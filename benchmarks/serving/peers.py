"""The servers that Tapetum is measured beside: what each installs, how it is started, and how it is asked."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sysconfig import get_path

from tapetum.delivery import target
from tapetum.delivery.connection import Target

ADAPTERS = Path(__file__).parent / "adapters"
_INSTALL_S = 600
_READY = "complete"


class Missing(Exception):
    """Why a peer cannot be measured."""


def _form(url: str, contents: Sequence[bytes]) -> Target:
    return target.pictures(url, contents, {}, as_forms=True)


def _open_inference(url: str, contents: Sequence[bytes]) -> Target:
    def body(content: bytes) -> bytes:
        data = [base64.b64encode(content).decode()]
        picture = {"name": "picture", "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": "base64"}}
        return json.dumps({"inputs": [picture | {"data": data}]}).encode()

    place = f"{url}/v2/models/classifier/infer"
    return target.post(place, [body(content) for content in contents], {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Peer:
    """A server; PORT, PORT2, PORT3, CORES and SCRATCH in command and variables are replaced."""

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    ask: Callable[[str, Sequence[bytes]], Target] = _form


_FASTAPI = ("fastapi", "uvicorn[standard]", "python-multipart")
_UVICORN = ("uvicorn", "fastapi_server:app", "--host", "127.0.0.1", "--port", "PORT", "--no-access-log")
PEERS = (
    Peer("fastapi", _FASTAPI, _UVICORN),
    Peer("fastapi-workers", _FASTAPI, (*_UVICORN, "--workers", "CORES")),
    Peer("litserve", ("litserve", "python-multipart"), ("python", "litserve_server.py")),
    Peer(
        "bentoml",
        ("bentoml",),
        ("bentoml", "serve", "bentoml_server:Classifier", "--host", "127.0.0.1", "--port", "PORT"),
        {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": "SCRATCH"},
    ),
    Peer(
        "ray",
        ("ray[serve]", "python-multipart"),
        ("python", "ray_server.py"),
        {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Peer(
        "mlserver",
        ("mlserver", "uvloop<0.22"),  # its workers ask a newer one for a loop that is not there
        ("mlserver", "start", "."),
        {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "PORT",
            "MLSERVER_GRPC_PORT": "PORT2",
            "MLSERVER_METRICS_PORT": "PORT3",
            "MLSERVER_METRICS_DIR": "SCRATCH",
            "MLSERVER_PARALLEL_WORKERS": "CORES",
            "MLSERVER_DEBUG": "false",
        },
        _open_inference,
    ),
)


def environment(peer: Peer, root: Path) -> Path:
    """The folder of programs of a peer's environment, which sees the libraries of this one after its own.

    So all share one torch, and each has the versions of everything else that it asks for. Raises Missing.
    """
    place = root / "-".join(re.split(r"[^a-z-]", requirement)[0] for requirement in peer.requirements)
    programs = place / "bin"
    if (place / _READY).exists():
        return programs
    _run([sys.executable, "-m", "venv", "--clear", str(place)])
    _run([str(programs / "python"), "-m", "pip", "install", "--quiet", *peer.requirements])
    next(place.glob("lib/python*/site-packages")).joinpath("shared.pth").write_text(f"{get_path('purelib')}\n")
    (place / _READY).touch()
    return programs


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        raise Missing(f"not installed within {_INSTALL_S} s") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or ["no reason"]
        raise Missing(f"cannot be installed: {lines[-1]}") from error
