"""Do deployments lose requests? Each change and each accident under POST load, counted from outside.

python benchmarks/deployments.py runs/digits/bundle --rounds 3
python benchmarks/deployments.py runs/digits/bundle --rounds 3 --image cats-dogs-api:latest

As root, with haproxy and iproute2; with --image the pods are containers of podman. Two sets of callers ask all the
while, one through a balancer that gives out requests and one through a balancer that gives out connections.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import yaml
from scenarios import SCENARIOS, Death, Scene
from stage import HTTP, TCP, Command, Place, Pod, Stage, Timing, pause, run, serve

from tapetum import bundle as bundles
from tapetum import files

ROOT = Path(__file__).parents[1]
PLACES = 5
MOST_STANDSTILL_S = 2.0
AS_DEPLOYED = Timing()
CLOCK_S = 0.001  # to which times are told
HEAR_S = 0.1  # within which a caller hears of an end
CONFINED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=1g"]


@dataclass
class Outcome:
    """What became of the requests: `unexplained` were not answered, and with no process that was killed.

    `standstill_s` is the longest time in which the machine did nothing.
    """

    deaths: list[Death]
    standstill_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)
    unexplained: list[str] = field(default_factory=list)

    def add(self, url: str, losses: dict[str, Any], balancer_lines: Sequence[str]) -> None:
        """Count what the callers of an address saw."""
        self.counts.update({key: losses[key] for key in ("sent", "answered", "refused")})
        self.models.update(losses["models"])
        for trouble in losses["troubles"]:
            if trouble["fate"] == "refused":
                continue
            self.counts["not answered"] += 1
            if self._was_in_flight(trouble, balancer_lines):
                self.counts["in flight"] += 1
            else:
                self.unexplained.append(f"{url} {trouble}")

    def _was_in_flight(self, trouble: dict[str, Any], balancer_lines: Sequence[str]) -> bool:
        """Whether it was with a process when that was killed.

        Of a worker its front says so. Of a front the time is known, and where the balancer has a line of a request, the
        place: of one that is not the first of its caller's connection, and ends with the pod's, haproxy says nothing.
        """
        if trouble["found"].endswith("worker-lost"):
            return any(death.is_worker for death in self.deaths)
        ended = datetime.fromisoformat(trouble["at"]).timestamp()
        fronts = [
            each for each in self.deaths if not each.is_worker and each.begun - CLOCK_S <= ended <= each.ended + HEAR_S
        ]
        lines = (line.split() for line in balancer_lines if line.startswith("smoke-"))
        places = {place for request_id, place, *_ in lines if request_id == trouble["request_id"]}
        return bool(fronts) and places <= {death.place for death in fronts}


def of_image(image: str) -> tuple[Callable[[Path | None], Command], Callable[[Place], int]]:
    """Pods of an image, with the settings of the base, and how the process of one is found."""
    base = yaml.safe_load((ROOT / "deploy/k8s/base/kustomization.yaml").read_text())
    settings = next(each["literals"] for each in base["configMapGenerator"] if each["name"] == "cats-dogs-api")

    def make(bundle: Path | None) -> Command:
        what = ["--volume", f"{bundle}:/bundle:ro", image] if bundle else ["--entrypoint", "/bin/false", image]
        return lambda place: [
            *("podman", "run", "--rm", "--replace", "--name", place.namespace),
            *("--network", f"ns:/run/netns/{place.namespace}", *CONFINED),
            *(word for setting in settings for word in ("--env", setting)),
            *what,
        ]

    return make, lambda place: int(run("podman", "inspect", "--format", "{{.State.Pid}}", place.namespace))


def variants(bundle: Path, folder: Path) -> dict[str, Path]:
    """Copies of a bundle that a container may read: as it is, as the next version, and two that must be refused."""
    found = {name: folder / name for name in ("first", "next", "broken", "otherwise")}
    for path in found.values():
        shutil.copytree(bundle, path)
    facts = json.loads((found["next"] / bundles.FACTS).read_text())
    (found["next"] / bundles.FACTS).write_text(json.dumps(facts | {"version": "next"}))
    graph = found["broken"] / bundles.GRAPH
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    answers = found["otherwise"] / bundles.ANSWERS
    with np.load(answers) as content:
        arrays = dict(content)
    np.savez(answers, **(arrays | {"probabilities": np.ascontiguousarray(arrays["probabilities"][:, ::-1])}))
    facts["files"][bundles.ANSWERS] = files.sha256(answers)
    (found["otherwise"] / bundles.FACTS).write_text(json.dumps(facts))
    run("chmod", "-R", "a+rX", str(folder))
    return found


def measure(
    bundle: Path, names: Sequence[str], rate: float, timing: Timing = AS_DEPLOYED, image: str | None = None
) -> Iterator[Outcome]:
    """Scenarios one after the other, each begun with two pods; what became of the requests of each."""
    with tempfile.TemporaryDirectory(prefix="tapetum-deployments-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)
        stage = Stage(Path(folder), stack, PLACES, timing)
        if image:
            names_of_containers = [place.namespace for place in stage.places]
            stack.callback(run, "podman", "rm", "--force", "--ignore", *names_of_containers)
        copies = variants(bundle, Path(folder) / "bundles")
        make, find_front = of_image(image) if image else (_of_this, None)

        def start(path: Path | None, where: Place | None = None) -> Pod:
            return stage.start(make(path), find_front, where)

        pods = [stage.admit(pod) for pod in [start(copies["first"]) for _ in range(2)]]
        for name in names:
            scene = Scene(stage, pods, start, copies)
            with _watching_the_clock() as gaps_s, stage.loaded({HTTP: rate / 2, TCP: rate / 2}) as loads:
                SCENARIOS[name](scene)
                pause(1)
            outcome = Outcome(scene.deaths, max(gaps_s))
            for url, load in zip((HTTP, TCP), loads, strict=True):
                outcome.add(url, load.losses, stage.haproxy_log.read_text().splitlines())
            yield outcome
        with ThreadPoolExecutor() as leaving:
            assert set(leaving.map(Pod.end, pods)) == {0}, "a pod did not end well"


def _of_this(bundle: Path | None) -> Command:
    return serve(bundle) if bundle else lambda place: ["ip", "netns", "exec", place.namespace, "/bin/false"]


@contextmanager
def _watching_the_clock() -> Iterator[list[float]]:
    over, gaps_s = Event(), [0.0]

    def watch() -> None:
        before = monotonic()
        while not over.wait(0.05):
            before, gap_s = (now := monotonic()), now - before
            gaps_s.append(gap_s)

    with ThreadPoolExecutor() as watcher:
        watcher.submit(watch)
        try:
            yield gaps_s
        finally:
            over.set()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--image", help="of which the pods are; without it they are processes of this environment")
    parser.add_argument("--rate", type=float, default=60, help="requests a second of both sets of callers together")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    given = parser.parse_args()
    names = given.only or list(SCENARIOS)
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    unexplained: list[str] = []
    for _ in range(given.rounds):
        for name, outcome in zip(names, measure(given.bundle, names, given.rate, image=given.image), strict=True):
            if outcome.standstill_s > MOST_STANDSTILL_S:
                print(f"{name}: left out, the machine stood still for {outcome.standstill_s:.1f} s", flush=True)
                continue
            counts[name].update(outcome.counts | Counter(rounds=1))
            unexplained += outcome.unexplained
    columns = ("rounds", "sent", "answered", "refused", "not answered", "in flight")
    print(f"\n{AS_DEPLOYED}, {given.rate:g} requests a second\n")
    print("| while | n | sent | answered rightly | refused | not answered | of these in flight in what was killed |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        print(f"| {name} | " + " | ".join(f"{counts[name][column]:,}" for column in columns) + " |")
    raise SystemExit("\n".join(unexplained) or None)


if __name__ == "__main__":
    main()
