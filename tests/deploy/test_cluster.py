"""What make asks of a cluster, asked by kubectl itself of an API that keeps what it is told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, serving
from rendered import ROOT, kubectl

Made = subprocess.CompletedProcess[str]


class Desk:
    """Where make is typed, in front of a cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.deployed = folder / "deployed"
        self._promoted = folder / "promoted.json"
        self._tools = folder / "tools"
        self._tools.mkdir()
        (self._tools / "kubectl").symlink_to(kubectl())
        (self._tools / "kind").write_text("#!/bin/sh\n")
        (self._tools / "kind").chmod(0o755)
        self._variables = os.environ | {
            "PATH": f"{self._tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(folder / "config"),
            "HOME": str(folder),
        }

    def promoted(self, version: int) -> str:
        """The word that names a promotion of models:/pets/VERSION."""
        moved = {"name": "pets", "version": str(version), "digest": str(version) * 64, "checks": []}
        self._promoted.write_text(json.dumps(moved))
        return f"PROMOTED={self._promoted}"

    def make(self, *words: str) -> Made:
        """With the overlay that follows promotions."""
        command = ["make", f"PYTHON={sys.executable}", "OVERLAY=kind-following", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self._variables, capture_output=True, text=True, check=False, timeout=300
        )

    def deploy(self, tag: str, *words: str) -> Made:
        """An image, and what `make rollback` needs to take it back."""
        return self.make("deploy", "IMAGE=cats-dogs-api", f"TAG={tag}", f"DEPLOYED={self.deployed}", *words)

    def back(self) -> Made:
        """Take that deployment back."""
        return self.make("rollback", f"DEPLOYED={self.deployed}")

    @property
    def pods(self) -> tuple[str, str]:
        """The tag of the image and the model of the pods that the cluster has by now."""
        template = self.cluster.template()
        (found,) = template["spec"]["containers"]
        return found["image"].partition(":")[2], template["metadata"]["annotations"]["tapetum/model"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    cluster = Cluster()
    with serving(cluster) as configuration:
        (tmp_path / "config").write_text(configuration)
        yield Desk(cluster, tmp_path)


def test_a_model_and_an_image_go_out_and_come_back(desk):
    """A release, a promotion, another release that is taken back, and the model of before."""
    ran = [desk.deploy("1", desk.promoted(1)), desk.make("follow", desk.promoted(2)), desk.deploy("2")]
    assert [each.returncode for each in ran] == [0, 0, 0], [each.stderr for each in ran]
    assert desk.pods == ("2", "models:/pets/2")

    assert desk.back().returncode == 0
    assert desk.pods == ("1", "models:/pets/2")
    again = desk.back()
    assert (again.returncode, desk.pods) == (0, ("1", "models:/pets/2"))
    assert "nothing was deployed since: the pods stay" in again.stdout


def test_a_deployment_that_never_reached_the_pods_takes_nothing_back(desk):
    """The pods are those of a sound deployment: the ones before them are not what anybody asked for."""
    assert desk.deploy("1", desk.promoted(1)).returncode == 0
    assert desk.deploy("2").returncode == 0

    refused = desk.make("deploy", "IMAGE=cats-dogs-api", f"DEPLOYED={desk.deployed}", "PROMOTED=nowhere.json")
    assert "nowhere.json is missing" in refused.stderr
    assert (desk.back().returncode, desk.pods) == (0, ("2", "models:/pets/1"))

    desk.cluster.refused = "Deployment"
    assert desk.deploy("3").returncode != 0
    assert (desk.back().returncode, desk.pods) == (0, ("2", "models:/pets/1"))


def test_before_the_first_deployment_there_is_nothing_to_go_back_to(desk):
    assert desk.deploy("1", desk.promoted(1)).returncode == 0

    ran = desk.back()

    assert ran.returncode != 0
    assert "this was the first deployment: there are no pods to go back to" in ran.stderr
    assert desk.pods == ("1", "models:/pets/1")
