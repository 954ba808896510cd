"""The servers that are compared: each started, asked until it says what the model says, and frozen."""

import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx
from peers import ADAPTERS, Missing, Peer, environment
from table import TAPETUM
from trees import Tree, last_line, started

import tapetum
from tapetum import machine
from tapetum.delivery import load, target
from tapetum.delivery.connection import Target
from tapetum.inference.predictor import Prediction
from tapetum.inference.worker import Plan, open_predictor

START_S = 180.0
MOST_PICTURES = 200
COMPARED = 8
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """One that runs, frozen between its turns."""

    name: str
    tree: Tree
    target: Target


@dataclass(frozen=True)
class Work:
    """What is served and asked: a bundle, pictures, and the classes that the bundle gives the first of them."""

    bundle: Path
    paths: list[Path]
    contents: list[bytes]
    labels: list[str]
    classes: list[str]


def to_work(bundle: Path, pictures: Path) -> Work:
    """As many pictures of a folder as are sent in turn, taken evenly."""
    found = sorted(path for path in pictures.rglob("*.jpg") if path.is_file())
    paths = found[:: max(1, -(-len(found) // MOST_PICTURES))]
    contents = [path.read_bytes() for path in paths]
    predictor, _ = open_predictor(Plan(bundle, "openvino", "auto", 50_000_000))
    results = predictor.predict(contents[:COMPARED])
    labels = [result.label for result in results if isinstance(result, Prediction)]
    return Work(bundle.absolute(), paths, contents, labels, list(predictor.bundle.facts.labels))


def start(peer: Peer, way: str, work: Work, environments: Path, out: Path, stack: ExitStack) -> Server:
    """A server that has answered. Raises Missing."""
    name = f"{peer.name} {way}"
    programs = environment(peer, environments)
    port = free_port()
    words = {
        "PORT": str(port),
        "PORT2": str(free_port()),
        "PORT3": str(free_port()),
        "CORES": str(machine.cores()),
        "SCRATCH": str(out.absolute() / "scratch"),
    }
    program, *arguments = [words.get(word, word) for word in peer.command]
    variables = {key: words.get(value, value) for key, value in peer.variables.items()}
    variables |= told(way, work) | {"PEER_PORT": str(port), "PATH": f"{programs}:/usr/bin:/bin"}
    log = out / "logs" / f"{peer.name}-{way}.log"
    tree = stack.enter_context(started([str(programs / program), *arguments], ADAPTERS, variables, log))
    asked = peer.ask(f"http://{HOST}:{port}", work.contents)
    return ready(name, tree, asked, work, log)


def start_ours(work: Work, out: Path, stack: ExitStack) -> Server:
    """Tapetum as `tapetum serve` starts it, with everything that watches it."""
    port = free_port()
    command = [sys.executable, "-m", "tapetum", "serve", str(work.bundle), "--host", HOST, "--port", str(port)]
    log = out / "logs" / "tapetum.log"
    tree = stack.enter_context(started(command, Path.cwd(), {"TAPETUM_DRAIN_S": "0"}, log))
    asked = target.pictures(f"http://{HOST}:{port}", work.contents, {}, as_forms=True)
    return ready(TAPETUM, tree, asked, work, log)


def ready(name: str, tree: Tree, asked: Target, work: Work, log: Path) -> Server:
    """Wait until a server answers, warm it up, see that it says what the model says, and freeze it. Raises Missing."""
    deadline = monotonic() + START_S
    while isinstance(agreed := agreements(asked, work), str):
        if tree.has_ended:
            raise Missing(f"does not start: {last_line(log)}")
        if monotonic() > deadline:
            raise Missing(f"was not ready within {START_S:.0f} s: {agreed}")
        sleep(0.1)  # between two looks: asking without a pause would slow the start
    load.run(load.closed(asked, 2 * machine.cores(), 1.0))
    tree.freeze()
    print(f"{name}: up after {START_S - (deadline - monotonic()):.0f} s, agrees on {agreed} of {COMPARED}", flush=True)
    if agreed < COMPARED // 2:
        raise Missing(f"answers otherwise: {agreed} of {COMPARED} pictures have the class that the model gives them")
    return Server(name, tree, asked)


def agreements(asked: Target, work: Work) -> int | str:
    """For how many of the first pictures the answer names the right class alone; until it is up, what it does."""
    agreed = 0
    for request, label in zip(asked.requests, work.labels, strict=False):
        head, _, body = request.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in fields)
        place = f"http://{asked.host}:{asked.port}{first.split()[1]}"
        try:
            response = httpx.post(place, content=body, headers=headers, timeout=START_S)
        except httpx.TransportError as error:
            return f"it does not answer ({error})"
        if response.status_code != httpx.codes.OK:
            return f"it answers {response.status_code}: {response.text[:100]!r}"
        said = response.text.partition('"probabilities"')[0]
        agreed += f'"{label}"' in said and not any(f'"{each}"' in said for each in work.classes if each != label)
    return agreed


def told(way: str, work: Work) -> dict[str, str]:
    """What adapters/model.py reads."""
    return {
        "PEER_WAY": way,
        "PEER_BUNDLE": str(work.bundle),
        "PEER_PORT": "0",
        "PEER_CORES": str(machine.cores()),
        "PYTHONPATH": f"{Path(tapetum.__file__).parents[1]}:{ADAPTERS}",
    }


def free_port() -> int:
    """A port that nobody has at present."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])
