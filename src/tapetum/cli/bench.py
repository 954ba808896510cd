"""`tapetum bench`: throughput and latency of a service under load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from tapetum.cli.tables import growing
from tapetum.cli.terminal import ANY_PATH, API_KEY_FILE, JSON, NEW_FILE, authorisation, files_of

if TYPE_CHECKING:
    from tapetum.delivery.bench import Arrivals, Load, Plan

CLIENTS = "1,8,32"
RATES = "25%,50%,70%,90%"
MOST_RATE = 100_000
MOST_PICTURES = 500
_KINDS: dict[str, Literal["svg", "png"]] = {".svg": "svg", ".png": "png"}
_HEADS = ("load", "answers/s", "p50", "p90", "p99", "p99.9 ms", "CPU ms", "generator", "not answered 200")
_ROW = "{:<19} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9}  {}"


@click.command("bench")
@click.argument("target", metavar="BUNDLE|URL")
@click.option("--clients", metavar="N,…", help=f"Closed loops of so many clients; {CLIENTS} without --rates.")
@click.option("--rates", metavar="N|N%,…", help=f"Open loops, N a second or N% of the peak; {RATES} without --clients.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=5, show_default=True, help="Time of each loop.")
@click.option(
    "--arrivals",
    type=click.Choice(["random", "even"]),
    default="random",
    show_default=True,
    help="When requests of an open loop come: as from independent callers, or evenly.",
)
@click.option("--picture", "paths", type=ANY_PATH, multiple=True, help="Picture, or folder of some, to send in turn.")
@click.option("--form", "as_forms", is_flag=True, help="Send forms with a field `file`, not raw bodies.")
@API_KEY_FILE
@JSON
@click.option("--out", type=NEW_FILE, help="Write what --json prints to this file.")
@click.option("--plot", "plot_file", type=NEW_FILE, help="File to draw latency against load in: .svg or .png.")
def command(
    target: str,
    clients: str | None,
    rates: str | None,
    seconds: float,
    arrivals: "Arrivals",
    paths: tuple[Path, ...],
    as_forms: bool,
    api_key_file: Path | None,
    as_json: bool,
    out: Path | None,
    plot_file: Path | None,
) -> None:
    """Measure how fast a service answers and how late: one that runs, or BUNDLE in a process of its own.

    Closed loops first: each client asks again once it is answered, which finds the peak. Then open loops: requests come
    at a rate whatever becomes of those before, and latency counts from when a request was due, so queueing shows.

    Example: tapetum bench runs/pets/bundle --picture photos --plot latency.svg
    """
    from tapetum import files, machine
    from tapetum.delivery import bench
    from tapetum.delivery import target as targets

    plan = _plan(clients, rates, seconds, arrivals)
    draw = _drawing(plot_file)
    contents = _contents(paths) or targets.generated()
    headers = authorisation(api_key_file)
    loads = []
    with _service(target, headers) as (url, cpu_s):
        targets.require_answer(url, contents[0], headers)
        mean = sum(map(len, contents)) / len(contents) / 1000
        if not as_json:
            click.echo(f"{url}, {len(contents)} pictures of {mean:.1f} kB; latency of answers 200")
        with nullcontext(lambda row: None) if as_json else growing(_HEADS, lambda row: _ROW.format(*row)) as add:
            for load in bench.measure(targets.pictures(url, contents, headers, as_forms), plan, cpu_s):
                loads.append(load)
                add(_row(load))
    for load in loads:
        if load.doubt:
            click.echo(f"{load.name}: {load.doubt}", err=True)
    figures = bench.to_json(url, contents, machine.description(), loads)
    if as_json:
        click.echo(figures, nl=False)
    if out is not None:
        files.write_text(out, figures)
    if plot_file is not None:
        files.write_bytes(plot_file, draw(loads, target))


def _plan(clients: str | None, rates: str | None, seconds: float, arrivals: "Arrivals") -> "Plan":
    from tapetum.delivery.bench import Plan

    if clients is None and rates is None:
        clients, rates = CLIENTS, RATES
    asked = [each.strip() for each in (rates or "").split(",") if each.strip()]
    return Plan(
        clients=tuple(_whole(each) for each in (clients or "").split(",") if each.strip()),
        rates=tuple(_rate(each) for each in asked if not each.endswith("%")),
        shares=tuple(_rate(each[:-1]) / 100 for each in asked if each.endswith("%")),
        seconds=seconds,
        arrivals=arrivals,
    )


def _rate(text: str) -> float:
    from tapetum.errors import ConfigError

    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= MOST_RATE:
        raise ConfigError(
            f"--rates has {text!r}: expected numbers from 1 to {MOST_RATE:,}, or percent, such as {RATES}"
        )
    return number


def _whole(text: str) -> int:
    from tapetum.delivery.load import MOST_CONNECTIONS
    from tapetum.errors import ConfigError

    if not text.strip().isdecimal() or not 1 <= int(text) <= MOST_CONNECTIONS:
        raise ConfigError(
            f"--clients has {text!r}: expected whole numbers from 1 to {MOST_CONNECTIONS}, such as {CLIENTS}"
        )
    return int(text)


def _contents(paths: tuple[Path, ...]) -> list[bytes]:
    """Of so many pictures that they fit into memory, taken evenly. Raises ConfigError where a folder has none."""
    from tapetum.data.sample import SUFFIXES
    from tapetum.errors import ConfigError

    found = [file for file in files_of(paths) if file in paths or file.suffix.lower() in SUFFIXES]
    if paths and not found:
        raise ConfigError(f"--picture {paths[0]} has no pictures: expected files such as photo.jpg")
    return [file.read_bytes() for file in found[:: max(1, -(-len(found) // MOST_PICTURES))]]


def _drawing(file: Path | None) -> "Callable[[list[Load], str], bytes]":
    """What draws the file, found before anything is measured. Raises ConfigError."""
    from tapetum.errors import ConfigError

    if file is None:
        return lambda loads, service: b""
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        raise ConfigError(f"--plot is {str(file)!r}: expected a name that ends in .svg or .png")
    from tapetum.delivery import load_plot

    return partial(load_plot.plot, kind=kind)


@contextmanager
def _service(target: str, headers: dict[str, str]) -> "Iterator[tuple[str, Callable[[], float | None]]]":
    """The address of a service, and its processor time; one of its own for a bundle."""
    from tapetum.delivery import bench
    from tapetum.delivery.own_service import own_service
    from tapetum.delivery.target import address_of

    if "://" in target:
        address_of(target)
        yield target, partial(bench.cpu_of_url, target, headers)
        return
    with own_service(Path(target)) as service:
        yield service.url, service.cpu_s


def _row(load: "Load") -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    latencies = [number(load.latency_ms[name]) for name in ("p50", "p90", "p99", "p99.9")]
    others = ", ".join(f"{status}: {count}" for status, count in load.answers.items() if status != "200")
    share = f"{load.generator_share:.0%}"
    figures = (number(load.answered_per_s), *latencies, number(load.server_cpu_ms), share)
    return (load.name, *figures, others or "-")
