"""Do deployments lose requests? Each change and each accident under POST load, counted from outside.

python benchmarks/deployments.py runs/digits/bundle --rounds 3
python benchmarks/deployments.py runs/digits/bundle --rounds 3 --image cats-dogs-api:latest

As root, with haproxy and iproute2; with --image the pods are containers of podman. Two sets of callers ask all the
while, one through a balancer that gives out requests and one through a balancer that gives out connections.
"""

import argparse
import json
import os
import shutil
import signal
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
from stage import HTTP, TCP, Command, Place, Pod, Stage, Timing, kill, pause, run, serve

from tapetum import bundle as bundles
from tapetum import files

ROOT = Path(__file__).parents[1]
PLACES = 5
STAND_STILL_S = 0.2
MOST_STANDSTILL_S = 2.0
AS_DEPLOYED = Timing()
CLOCK_S = 0.001  # to which times are told
HEAR_S = 0.1  # within which a caller hears of an end
CONFINED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=1g"]


@dataclass(frozen=True)
class Death:
    """A process that was killed between two times by the clock; `is_hand` where its front lives on and answers."""

    place: str
    begun: float
    ended: float
    is_hand: bool = False


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

        Of a hand its front says so. Of a front the time is known, and where the balancer has a line of the request, the
        place: of one that is not the first of its caller's connection, and ends with the pod's, haproxy says nothing.
        """
        if trouble["found"].endswith("worker-lost"):
            return any(death.is_hand for death in self.deaths)
        ended = datetime.fromisoformat(trouble["at"]).timestamp()
        fronts = [
            each for each in self.deaths if not each.is_hand and each.begun - CLOCK_S <= ended <= each.ended + HEAR_S
        ]
        lines = (line.split() for line in balancer_lines if line.startswith("smoke-"))
        places = {place for request_id, place, *_ in lines if request_id == trouble["request_id"]}
        return bool(fronts) and places <= {death.place for death in fronts}


@dataclass
class Scene:
    """What a scenario works with: the stage, the two pods that serve when it begins, and the bundles by name."""

    stage: Stage
    pods: list[Pod]
    start: Callable[..., Pod]
    bundles: dict[str, Path]
    deaths: list[Death] = field(default_factory=list)

    def replace(self, pod: Pod, other: Pod) -> None:
        self.pods[self.pods.index(pod)] = other


def leave(scene: Scene, pod: Pod) -> None:
    """A pod as Kubernetes ends it: preStop, then SIGTERM; it must end well."""
    pause(scene.stage.timing.pre_stop_s)
    assert pod.end() == 0, "a pod did not end well"
    scene.stage.forget(pod)


def rolling_update(scene: Scene) -> None:
    """Another bundle: one pod more first, none less."""
    with ThreadPoolExecutor() as leaving:
        ends = []
        for old in scene.pods.copy():
            scene.replace(old, scene.stage.admit(scene.start(scene.bundles["next"])))
            ends.append(leaving.submit(leave, scene, old))
        for end in ends:
            end.result()


def scaling(scene: Scene) -> None:
    """Two pods more, then two less at once."""
    more = [scene.stage.admit(pod) for pod in [scene.start(scene.bundles["first"]) for _ in range(2)]]
    pause(2)
    with ThreadPoolExecutor() as leaving:
        for end in [leaving.submit(leave, scene, pod) for pod in more]:
            end.result()


def readiness(scene: Scene) -> None:
    """A pod stands still until it counts as not ready and goes on; then it is taken out and put back five times."""
    place = scene.pods[0].place
    front = scene.pods[0].front
    os.kill(front, signal.SIGSTOP)
    scene.stage.until(lambda: scene.stage.fact("services", place, "status") == "DOWN")
    os.kill(front, signal.SIGCONT)
    scene.stage.until(lambda: scene.stage.fact("services", place, "status") == "UP")
    for state in ["drain", "ready"] * 5:
        scene.stage.tell(f"set server services/{place.name} state {state}")
        pause(0.5)


def unready(scene: Scene) -> None:
    """A pod that loses its worker and cannot have another, since the bundle is gone, until it is back."""
    pod = scene.pods[0]
    graph = scene.bundles["first"] / bundles.GRAPH
    graph.rename(graph.with_suffix(".away"))
    _kill_hand(scene, pod)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "status") == "DOWN")
    graph.with_suffix(".away").rename(graph)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "status") == "UP")


def killed_hand(scene: Scene) -> None:
    """The process that computes is killed."""
    pod = scene.pods[0]
    _kill_hand(scene, pod)
    scene.stage.until(lambda: len(pod.hands()) == 1)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "scur") == "0")


def killed_front(scene: Scene) -> None:
    """The process that owns HTTP is killed; the container is started again in its place."""
    old = scene.pods[0]
    with _standing_still(old.hands()):
        scene.deaths.append(Death(old.place.name, *kill(old.front)))
    old.process.wait()
    scene.stage.until(lambda: not scene.stage.is_ready(old))
    fresh = scene.start(scene.bundles["first"], where=old.place)
    scene.replace(old, fresh)
    scene.stage.until(lambda: scene.stage.is_ready(fresh))
    scene.stage.until(lambda: scene.stage.fact("services", fresh.place, "status") == "UP")
    pause(1)


def killed_pod(scene: Scene) -> None:
    """All its processes are killed, and its network is gone; another pod is made elsewhere."""
    old = scene.pods[0]
    hands = old.hands()
    with _standing_still(hands):
        scene.deaths.append(Death(old.place.name, *kill(old.front, *hands)))
    scene.stage.cut(old.place)
    old.process.wait()
    scene.replace(old, scene.stage.admit(scene.start(scene.bundles["first"])))
    pause(1)
    scene.stage.forget(old)
    scene.stage.mend(old.place)


def bad_digest(scene: Scene) -> None:
    """A bundle with a changed byte."""
    _refused(scene, "broken")


def bad_answers(scene: Scene) -> None:
    """A bundle whose golden pictures get other answers."""
    _refused(scene, "otherwise")


def bad_image(scene: Scene) -> None:
    """An image whose process ends at once."""
    _refused(scene, None)


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    "scale up from 2 to 4, and down": scaling,
    "readiness flips": readiness,
    "a worker that cannot be replaced": unready,
    "kill -9 of a hand": killed_hand,
    "kill -9 of the front": killed_front,
    "kill -9 of a pod": killed_pod,
    "update to a bundle of another digest": bad_digest,
    "update to a bundle of other answers": bad_answers,
    "update to an image that does not run": bad_image,
    "rolling update to another bundle": rolling_update,  # the last, since the others begin with the first bundle
}


def _refused(scene: Scene, name: str | None) -> None:
    """A pod that never gets ready however often it is started, until the update is taken back."""
    bundle = scene.bundles[name] if name else None
    fresh = scene.start(bundle)
    for _ in range(2):
        while fresh.process.poll() is None:
            assert not scene.stage.is_ready(fresh), "a pod is ready that must not be"
            pause(0.02)
        assert fresh.process.returncode == (2 if bundle else 1), fresh.process.returncode
        fresh = scene.start(bundle, where=fresh.place)
    fresh.process.kill()
    fresh.process.wait()
    scene.stage.forget(fresh)


def _kill_hand(scene: Scene, pod: Pod) -> None:
    with _standing_still(pod.hands()) as hands:
        scene.deaths.append(Death(pod.place.name, *kill(*hands), is_hand=True))


@contextmanager
def _standing_still(pids: list[int]) -> Iterator[list[int]]:
    """For long enough that what is killed surely has requests."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    pause(STAND_STILL_S)
    yield pids
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGCONT)


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
