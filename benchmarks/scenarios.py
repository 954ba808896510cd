"""What happens to a deployment: each change and each accident, with pods on a stage."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stage import Pod, Stage, kill, pause

from tapetum import bundle as bundles

STAND_STILL_S = 0.2


@dataclass(frozen=True)
class Death:
    """A process that was killed between two times by the clock; `is_worker` where its front lives on and answers."""

    place: str
    begun: float
    ended: float
    is_worker: bool = False


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
    _kill_worker(scene, pod)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "status") == "DOWN")
    graph.with_suffix(".away").rename(graph)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "status") == "UP")


def killed_worker(scene: Scene) -> None:
    """The process that computes is killed."""
    pod = scene.pods[0]
    _kill_worker(scene, pod)
    scene.stage.until(lambda: len(pod.workers()) == 1)
    waiting, answered = (int(scene.stage.fact("services", pod.place, name)) for name in ("scur", "hrsp_2xx"))
    scene.stage.until(lambda: int(scene.stage.fact("services", pod.place, "hrsp_2xx")) >= answered + waiting)


def killed_front(scene: Scene) -> None:
    """The process that owns HTTP is killed; the container is started again in its place."""
    old = scene.pods[0]
    with _standing_still(scene, old):
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
    with _standing_still(scene, old) as workers:
        scene.deaths.append(Death(old.place.name, *kill(old.front, *workers)))
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
    "kill -9 of a worker": killed_worker,
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


def _kill_worker(scene: Scene, pod: Pod) -> None:
    with _standing_still(scene, pod) as workers:
        scene.deaths.append(Death(pod.place.name, *kill(*workers), is_worker=True))


@contextmanager
def _standing_still(scene: Scene, pod: Pod) -> Iterator[list[int]]:
    """The workers of a pod, for long enough that what is killed surely has requests."""
    pids = pod.workers()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    pause(STAND_STILL_S)
    scene.stage.until(lambda: scene.stage.fact("services", pod.place, "scur") != "0")
    yield pids
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGCONT)
