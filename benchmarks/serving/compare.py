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
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import table
from peers import ADAPTERS, PEERS, Missing
from servers import Server, Work, start, start_ours, to_work, told
from table import LIMIT, Measured

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.delivery import load

WARM_UP_S = 0.5
WAYS = ("usual", "ours")


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
        servers = [start_ours(work, options.out, stack)]
        for peer in [peer for peer in PEERS if peer.name in options.peers]:
            for way in WAYS:
                try:
                    servers.append(start(peer, way, work, options.environments, options.out, stack))
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
