"""Tapetum beside other servers: the same model, the same pictures, in turn, and the limit of the machine.

    python benchmarks/serving/compare.py runs/cats-dogs/bundle --pictures photos --out runs/serving

Every server runs twice: `usual` as its users have it (PyTorch, Pillow,
torchvision), and `ours` with Tapetum's decoder and engine. All are started
once and frozen; a round thaws one after the other, asks it with so many
clients in a closed loop, and freezes it again, so that whatever else the
machine does meets all of them. The limit is decode, resize and forward in a
bare loop, one process for each core.

Peers are installed into environments of their own, which share this one's
torch. What was measured stands in measurements.jsonl: a run that was broken
off goes on where it was. table.md and table.json are written at the end.
"""

import argparse
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx
import table
from peers import ADAPTERS, PEERS, Missing, Peer, environment
from table import LIMIT, TAPETUM, Measured
from trees import Tree, last_line, started

import tapetum
from tapetum import bundle as bundles
from tapetum import machine
from tapetum.delivery import load, target
from tapetum.delivery.connection import Target
from tapetum.inference.hand import Plan, open_predictor
from tapetum.inference.predictor import Prediction

START_S = 180.0
WARM_UP_S = 0.5
MOST_PICTURES = 200
COMPARED = 8
WAYS = ("usual", "ours")
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


def start(peer: Peer, way: str, work: Work, options: argparse.Namespace, stack: ExitStack) -> Server:
    """A server that has answered. Raises Missing."""
    name = f"{peer.name} {way}"
    programs = environment(peer, options.environments)
    port = free_port()
    words = {
        "PORT": str(port),
        "PORT2": str(free_port()),
        "PORT3": str(free_port()),
        "CORES": str(machine.cores()),
        "SCRATCH": str(options.out.absolute() / "scratch"),
    }
    program, *arguments = [words.get(word, word) for word in peer.command]
    variables = {key: words.get(value, value) for key, value in peer.variables.items()}
    variables |= told(way, work) | {"PEER_PORT": str(port), "PATH": f"{programs}:/usr/bin:/bin"}
    log = options.out / "logs" / f"{peer.name}-{way}.log"
    tree = stack.enter_context(started([str(programs / program), *arguments], ADAPTERS, variables, log))
    asked = peer.ask(f"http://{HOST}:{port}", work.contents)
    return ready(name, tree, asked, work, log)


def start_ours(work: Work, options: argparse.Namespace, stack: ExitStack) -> Server:
    """Tapetum as `tapetum serve` starts it, with everything that watches it."""
    port = free_port()
    command = [sys.executable, "-m", "tapetum", "serve", str(work.bundle), "--host", HOST, "--port", str(port)]
    log = options.out / "logs" / "tapetum.log"
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


def measure(server: Server, clients: list[int], seconds: float, number: int) -> Iterator[Measured]:
    """A round of one server."""
    with server.tree.at_work():
        load.run(load.closed(server.target, 2 * machine.cores(), WARM_UP_S))
        for each in clients:
            before = server.tree.cpu_s()
            seen = load.run(load.closed(server.target, each, seconds))
            spent_s = server.tree.cpu_s() - before
            p50, p99 = (seen.quantile_s(share) for share in (0.5, 0.99))
            others = seen.number - len(seen.latencies_s.get(200, ()))
            yield Measured(
                server.name,
                number,
                each,
                seen.rate(),
                None if p50 is None else p50 * 1000,
                None if p99 is None else p99 * 1000,
                spent_s * 1000 / seen.number,
                others,
                seen.cpu_s / seen.duration_s,
            )


def measure_limit(work: Work, clients: list[int], seconds: float, number: int) -> Iterator[Measured]:
    """A round of the bare loop; the same figure for each number of clients, of which it has none."""
    command = [sys.executable, str(ADAPTERS / "limit.py"), str(seconds), *map(str, work.paths)]
    environ = machine.environment() | told("ours", work)
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    for each in clients:
        yield Measured(LIMIT, number, each, float(ran.stdout), None, None, None, 0, None)


def run(work: Work, options: argparse.Namespace, known: list[Measured], book: Path) -> dict[str, str]:
    """All rounds, noted down as they come; the reasons of those that could not be measured."""
    clients = [int(each) for each in options.clients.split(",")]
    deadline = monotonic() + 60 * options.minutes
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        servers = [start_ours(work, options, stack)]
        for peer in [peer for peer in PEERS if peer.name in options.peers]:
            for way in WAYS:
                try:
                    servers.append(start(peer, way, work, options, stack))
                except Missing as reason:
                    missing[f"{peer.name} {way}"] = str(reason)
                    print(f"{peer.name} {way}: {reason}", flush=True)
        for number in range(options.rounds):
            in_turn = servers if number % 2 else servers[::-1]
            for server in (None, *in_turn):
                name = server.name if server else LIMIT
                if any((each.name, each.round) == (name, number) for each in known):
                    continue
                if monotonic() > deadline:
                    print(f"{options.minutes:g} minutes are over in round {number + 1}: call it again to go on")
                    return missing
                found = list(
                    measure(server, clients, options.seconds, number)
                    if server
                    else measure_limit(work, clients, options.seconds, number)
                )
                known += found
                with book.open("a") as stream:
                    stream.writelines(json.dumps(asdict(each)) + "\n" for each in found)
                rates = ", ".join(f"{each.rate:.0f}" for each in found)
                print(f"round {number + 1} {name:22} {rates} requests/s", flush=True)
    return missing


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of JPEGs")
    parser.add_argument("--out", type=Path, required=True, help="folder of measurements, table and logs")
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "tapetum" / "peers")
    parser.add_argument("--peers", nargs="*", default=[peer.name for peer in PEERS], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--clients", default="8,32", help="numbers of clients")
    parser.add_argument("--minutes", type=float, default=30.0, help="after which nothing new is begun")
    options = parser.parse_args()
    unknown = set(options.peers) - {peer.name for peer in PEERS}
    if unknown:
        parser.error(f"no peer is called {', '.join(sorted(unknown))}: {', '.join(peer.name for peer in PEERS)}")
    work = to_work(options.bundle, options.pictures)
    facts = {
        "bundle": bundles.digest(bundles.load_sealed(options.bundle)),
        "pictures": len(work.paths),
        "mean_bytes": round(sum(map(len, work.contents)) / len(work.contents)),
        "seconds": options.seconds,
        "clients": options.clients,
    }
    book = options.out / "measurements.jsonl"
    known = table.resume(book, facts)
    missing = run(work, options, known, book)
    table.write(options.out, known, missing, facts | {"machine": machine.description()})
    print((options.out / "table.md").read_text())


if __name__ == "__main__":
    main()
