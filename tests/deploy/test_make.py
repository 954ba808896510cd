"""The make targets of clusters, with docker, kind and kubectl replaced by recorders of the same manners."""
# ruff: noqa: S106, SIM905 - words of commands read best in a row, and the passwords are nobody's

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from rendered import ROOT, text

# All that the targets may use beside the tools that they ask for.
PLAIN = "awk basename cat cp cut date dirname env git grep id make mkdir mktemp od printf python3 rm sed sh tr".split()
CONTEXT = "kind-mlops-cluster"
KUBECTL = f"kubectl --context {CONTEXT}"
# What changes nothing.
LOOKS = ("docker info", "docker buildx version", "kind get", "kubectl config", f"{KUBECTL} --namespace mlops get")
# Every target that is promised, by its name.
OFFERED = """
init install download data-setup train mlflow-ui test test-quick lint format serve docker-build docker-run docker-stop
kind-create kind-build kind-deploy kind-full kind-up kind-down kind-delete kind-status kind-logs kind-test kind-restart
monitoring-deploy monitoring-status monitoring-stop prometheus-logs grafana-logs alertmanager-logs alerts-status
alerts-test app-stop all-stop submission-zip
""".split()


class Stage:
    """A folder of tools in front of which nothing stands, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name in PLAIN:
            found = shutil.which(name)
            if found:
                (self.tools / name).symlink_to(found)
        self.record = folder / "record"
        self.record.touch()
        self.kept = folder / "kept"
        self.kept.mkdir()

    def has(self, tool: str, answers: dict[str, str] | None = None) -> None:
        """Put up a recorder; called with the words of an answer it says that, or ends with 1 where it is FAIL."""
        script = (self.tools / tool).open("w")
        script.write(f'#!/bin/sh\necho "{tool} $*" >> "{self.record}"\n')
        # What comes in by files or standard input is kept, as the real tool would take it.
        script.write(
            f'for word; do case $word in --from-file=*) cp -r "${{word#--from-file=}}" "{self.kept}";; esac; done\n'
        )
        script.write(f'case "$*" in *"--filename -") cat >> "{self.kept}/applied";; esac\n')
        for words, answer in (answers or {}).items():
            script.write(f'case "$*" in *"{words}"*) {"exit 1" if answer == "FAIL" else f"echo {answer!r}"};; esac\n')
        script.close()
        (self.tools / tool).chmod(0o755)

    def make(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run make in the repository, by dash where there is one, as Debian's sh is."""
        shell = [f"SHELL={dash}"] if (dash := shutil.which("dash")) else []
        bare = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR", "LANG")}
        return subprocess.run(
            [str(self.tools / "make"), *shell, f"PYTHON={sys.executable}", *words],
            cwd=ROOT,
            env=bare | {"PATH": str(self.tools)} | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def acts(self) -> list[str]:
        """The commands in order, without those that only look."""
        return [line for line in self.record.read_text().splitlines() if not line.startswith(LOOKS)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def equipped(stage: Stage) -> Stage:
    """All tools, and a cluster."""
    stage.has("docker")
    stage.has("kind", {"get clusters": "mlops-cluster"})
    stage.has("kubectl", {"config get-contexts": CONTEXT})
    return stage


CREATE = "kind create cluster --config deploy/k8s/kind-config.yaml --wait 180s"
LOAD = "kind load docker-image cats-dogs-api:0.1.0 --name mlops-cluster"
ROLLED_OUT = f"{KUBECTL} --namespace mlops rollout status --timeout 300s deployment/cats-dogs-api"
DEPLOY = [
    f"{KUBECTL} apply --server-side --force-conflicts --kustomize deploy/k8s/overlays/kind",
    f"{KUBECTL} --namespace kube-system rollout status --timeout 300s deployment/metrics-server",
    ROLLED_OUT,
]
MONITOR = [
    f"{KUBECTL} apply --server-side --force-conflicts --kustomize deploy/k8s/overlays/kind/monitoring",
    f"{KUBECTL} --namespace mlops rollout status --timeout 300s statefulset/prometheus",
    f"{KUBECTL} --namespace mlops rollout status --timeout 300s statefulset/alertmanager",
    f"{KUBECTL} --namespace mlops rollout status --timeout 300s deployment/grafana",
    f"{KUBECTL} --namespace mlops rollout status --timeout 300s deployment/kube-state-metrics",
    f"{KUBECTL} --namespace mlops-nodes rollout status --timeout 300s daemonset/node-exporter",
]


def test_the_tools_exist_by_which_this_is_tested():
    assert [name for name in PLAIN if shutil.which(name) is None] == []


def test_help_lists_every_promised_target_in_groups(stage):
    lines = stage.make("help").stdout.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    groups = [line for line in lines if line and not line.startswith(" ")]

    assert [name for name in OFFERED if name not in listed] == []
    assert len(groups) == len(set(groups)) >= 8


@pytest.mark.parametrize(
    ("target", "lacking"),
    [
        ("kind-create", "docker"),
        ("kind-create", "kind"),
        ("kind-create", "kubectl"),
        ("kind-build", "docker"),
        ("kind-build", "kind"),
        ("kind-delete", "kind"),
        *((target, "kubectl") for target in ("kind-deploy", "kind-status", "kind-logs", "kind-restart")),
        *((target, "kubectl") for target in ("monitoring-deploy", "monitoring-status", "monitoring-stop", "app-stop")),
        *((target, "kubectl") for target in ("prometheus-logs", "grafana-logs", "alertmanager-logs", "all-stop")),
        ("deploy", "kubectl"),
    ],
)
def test_a_missing_tool_is_named_with_where_to_get_it(equipped, target, lacking):
    (equipped.tools / lacking).unlink()

    ran = equipped.make(target)

    assert ran.returncode != 0
    assert f"{lacking} is missing: https://" in ran.stderr
    assert equipped.acts == []


def test_a_docker_that_does_not_answer_is_said_to_be_so(equipped):
    equipped.has("docker", {"info": "FAIL"})

    assert "docker does not answer: start" in equipped.make("kind-create").stderr


def test_without_a_cluster_it_says_how_to_make_one(equipped):
    equipped.has("kubectl", {"config get-contexts": "prod"})

    assert f"knows no cluster {CONTEXT}: make kind-create makes it" in equipped.make("kind-status").stderr
    assert "knows no cluster elsewhere" in equipped.make("deploy", "OVERLAY=production", "CONTEXT=elsewhere").stderr


def test_kind_create_leaves_a_cluster_alone_that_is_there(equipped):
    assert equipped.make("kind-create").returncode == 0
    assert equipped.acts == []

    equipped.has("kind")
    assert equipped.make("kind-create").returncode == 0
    assert equipped.acts == [CREATE]


def test_kind_full_goes_from_nothing_to_monitoring_in_order(equipped):
    equipped.has("kind")
    ran = equipped.make("-j4", "kind-full", "BUNDLE=docs")

    assert ran.returncode == 0, ran.stderr
    created, built, *others = equipped.acts
    assert created == CREATE
    assert built.startswith("docker build ")
    assert "--tag cats-dogs-api:0.1.0" in built
    assert f"--build-context bundle={ROOT / 'docs'}" in built
    assert others[:4] == [LOAD, *DEPLOY]
    assert others[-6:] == MONITOR
    assert "http://localhost:3000 (admin / admin123" in ran.stdout


def test_a_new_image_reaches_pods_that_run(equipped):
    equipped.has("kubectl", {"config get-contexts": CONTEXT, "get deployment": "deployment.apps/cats-dogs-api"})
    ran = equipped.make("kind-build", "BUNDLE=docs")

    assert ran.returncode == 0, ran.stderr
    assert equipped.acts[1:] == [
        LOAD,
        f"{KUBECTL} --namespace mlops rollout restart deployment/cats-dogs-api",
        ROLLED_OUT,
    ]


def test_without_a_bundle_no_image_is_built(equipped):
    ran = equipped.make("kind-build", "BAKED=")

    assert ran.returncode != 0
    assert "no bundle to bake in: make train makes one, or BUNDLE=" in ran.stderr
    assert equipped.acts == []


def test_a_step_that_fails_ends_kind_up(equipped):
    equipped.has("kind", {"load": "FAIL"})
    ran = equipped.make("kind-up", "BUNDLE=docs")

    assert ran.returncode != 0
    assert not any("apply" in act for act in equipped.acts)


@pytest.mark.parametrize(
    ("target", "act"),
    [
        ("kind-deploy", DEPLOY),
        ("kind-logs", [f"{KUBECTL} --namespace mlops logs --selector app=cats-dogs-api --prefix --tail 200"]),
        ("kind-restart", [f"{KUBECTL} --namespace mlops rollout restart deployment/cats-dogs-api", ROLLED_OUT]),
        ("kind-delete", ["kind delete cluster --name mlops-cluster"]),
        ("kind-down", ["kind delete cluster --name mlops-cluster"]),
        ("prometheus-logs", [f"{KUBECTL} --namespace mlops logs statefulset/prometheus --tail 200"]),
        ("grafana-logs", [f"{KUBECTL} --namespace mlops logs deployment/grafana --tail 200"]),
        ("alertmanager-logs", [f"{KUBECTL} --namespace mlops logs statefulset/alertmanager --tail 200"]),
        ("rollback", [f"{KUBECTL} --namespace mlops rollout undo deployment/cats-dogs-api", ROLLED_OUT]),
        (
            "tracking-deploy",
            [
                f"{KUBECTL} apply --server-side --force-conflicts --filename deploy/k8s/base/namespace.yaml",
                f"{KUBECTL} apply --server-side --force-conflicts --kustomize deploy/k8s/tracking",
                f"{KUBECTL} --namespace mlops rollout status --timeout 300s statefulset/mlflow",
            ],
        ),
        ("tracking-forward", [f"{KUBECTL} --namespace mlops port-forward service/mlflow 5000:5000"]),
    ],
)
def test_a_target_does_what_it_says(equipped, target, act):
    ran = equipped.make(target)

    assert ran.returncode == 0, ran.stderr
    assert equipped.acts == act


def test_all_stop_ends_all_and_keeps_cluster_secrets_and_volumes(equipped):
    ran = equipped.make("all-stop")

    assert ran.returncode == 0, ran.stderr
    assert equipped.acts == [
        f"{KUBECTL} --namespace mlops delete horizontalpodautoscaler,deployment --selector app=cats-dogs-api --wait",
        f"{KUBECTL} delete deployment,statefulset,daemonset --all-namespaces "
        "--selector app.kubernetes.io/part-of=tapetum,app.kubernetes.io/component=monitoring --wait",
        f"{KUBECTL} --namespace mlops delete statefulset mlflow --ignore-not-found --wait",
    ]


def test_status_shows_pods_and_autoscaler(equipped):
    assert equipped.make("kind-status").returncode == 0
    assert "horizontalpodautoscalers" in equipped.record.read_text()
    assert equipped.make("monitoring-status").returncode == 0
    assert "persistentvolumeclaims" in equipped.record.read_text().splitlines()[-1]


def test_secrets_of_kind_are_known_ones_and_travel_in_files(equipped):
    ran = equipped.make("k8s-secrets", GMAIL_PASS="abcd efgh")

    assert ran.returncode == 0, ran.stderr
    assert (equipped.kept / "grafana-admin" / "admin-user").read_text() == "admin"
    assert (equipped.kept / "grafana-admin" / "admin-password").read_text() == "admin123"
    assert (equipped.kept / "alertmanager-mail" / "gmail_pass").read_text() == "abcd efgh"
    assert not (equipped.kept / "cats-dogs-api-keys").exists()
    assert "admin123" not in equipped.record.read_text() + ran.stdout
    assert "abcd" not in equipped.record.read_text() + ran.stdout
    assert equipped.acts[0].endswith("--filename deploy/k8s/base/namespace.yaml")


def test_grafanas_password_can_be_another(equipped):
    equipped.make("k8s-secrets", GRAFANA_PASSWORD="better than that")

    assert (equipped.kept / "grafana-admin" / "admin-password").read_text() == "better than that"


def test_secrets_of_production_are_random_and_made_once(equipped, tmp_path):
    words = ("k8s-secrets", "OVERLAY=production", "CONTEXT=prod")
    equipped.has("kubectl", {"config get-contexts": "prod"})
    first = equipped.make(*words)
    made = {
        path.relative_to(equipped.kept): path.read_text()
        for path in equipped.kept.glob("*/*")
        if path.name != "admin-user"
    }

    assert first.returncode == 0, first.stderr
    assert "GMAIL_PASS=" in first.stdout
    assert {str(name) for name in made} == {
        "grafana-admin/admin-password",
        "cats-dogs-api-keys/api-keys",
        "cats-dogs-api-keys/operator-keys",
    }
    assert all(len(value) == 64 and int(value, 16) for value in made.values())
    assert len(set(made.values())) == 3

    before = len(equipped.acts)
    equipped.has("kubectl", {"config get-contexts": "prod", "get secret": "secret/there"})
    again = equipped.make(*words)
    assert again.returncode == 0
    assert not any("create" in act for act in equipped.acts[before:])


def test_an_unreachable_cluster_makes_no_secret(equipped):
    equipped.has("kubectl", {"config get-contexts": CONTEXT, "get secret": "FAIL"})

    assert equipped.make("k8s-secrets").returncode != 0
    assert not any("create" in act for act in equipped.acts)


def test_a_release_is_the_rendering_with_its_own_image(equipped):
    image = "registry.example/team/cats-dogs-api@sha256:" + "0" * 64
    (equipped.kept / "rendering").write_text(text("deploy/k8s/overlays/production"))
    equipped.has("kubectl", {"config get-contexts": "prod"})
    with (equipped.tools / "kubectl").open("a") as recorder:
        recorder.write(
            f'case "$*" in *" kustomize deploy/k8s/overlays/production") cat "{equipped.kept}/rendering";; esac\n'
        )

    ran = equipped.make("deploy", "OVERLAY=production", "CONTEXT=prod", f"IMAGE={image}")

    assert ran.returncode == 0, ran.stderr
    before, after = text("deploy/k8s/overlays/production"), (equipped.kept / "applied").read_text()
    assert after == before.replace("image: registry.example/cats-dogs-api:0.1.0", f"image: {image}") != before
    assert equipped.acts[-1].startswith("kubectl --context prod --namespace mlops rollout status")


def test_a_release_to_kind_is_loaded_first(equipped):
    ran = equipped.make("deploy", "IMAGE=ghcr.io/me/cats-dogs-api", "TAG=7")

    assert ran.returncode == 0, ran.stderr
    assert equipped.acts[0] == "kind load docker-image ghcr.io/me/cats-dogs-api:7 --name mlops-cluster"
    assert equipped.acts[-1] == ROLLED_OUT


@pytest.mark.parametrize("image", ["", "cats-dogs-api", "cats-dogs-api:0.1.0"])
def test_a_release_needs_an_image_that_the_cluster_can_pull(equipped, image):
    ran = equipped.make("deploy", "OVERLAY=production", f"CONTEXT={CONTEXT}", f"IMAGE={image}")

    assert ran.returncode != 0
    assert f"IMAGE is '{image}'" in ran.stderr
    assert equipped.acts == []


@pytest.fixture
def following(equipped: Stage) -> Stage:
    """A cluster whose pods serve models:/pets/2, and a promotion of models:/pets/3."""
    (equipped.kept / "rendering").write_text(text("deploy/k8s/overlays/kind-following"))
    equipped.has("kubectl", {"config get-contexts": CONTEXT, "jsonpath=": f"models:/pets/2 {'2' * 64}"})
    with (equipped.tools / "kubectl").open("a") as recorder:
        recorder.write(f'case "$*" in *" kustomize "*following) cat "{equipped.kept}/rendering";; esac\n')
    (equipped.kept / "promoted.json").write_text(json.dumps(MOVED))
    return equipped


MOVED = {"name": "pets", "version": "3", "digest": "3" * 64, "previous": None, "checks": [{"name": "accuracy"}]}


@pytest.mark.parametrize("number", [2, 3], ids=["the model that is served", "the model that was promoted"])
def test_a_release_names_one_model_for_all_its_pods(following, number):
    promoted = f"PROMOTED={following.kept}/promoted.json" if number == 3 else "PROMOTED="

    ran = following.make("deploy", "OVERLAY=kind-following", "IMAGE=cats-dogs-api", "TAG=7", promoted)

    assert ran.returncode == 0, ran.stderr
    (made,) = (
        found
        for found in yaml.safe_load_all((following.kept / "applied").read_text())
        if found["kind"] == "Deployment" and found["metadata"]["name"] == "cats-dogs-api"
    )
    template = made["spec"]["template"]
    assert template["metadata"]["annotations"] == {
        "tapetum/model": f"models:/pets/{number}",
        "tapetum/digest": str(number) * 64,
    }
    containers = template["spec"]["initContainers"] + template["spec"]["containers"]
    assert [found["image"] for found in containers] == ["cats-dogs-api:7"] * 2


def test_a_first_release_that_follows_needs_a_promotion(following):
    following.has("kubectl", {"config get-contexts": CONTEXT})
    with (following.tools / "kubectl").open("a") as recorder:
        recorder.write(f'case "$*" in *" kustomize "*following) cat "{following.kept}/rendering";; esac\n')

    ran = following.make("deploy", "OVERLAY=kind-following", "IMAGE=cats-dogs-api")

    assert ran.returncode != 0
    assert "the cluster serves nothing yet: PROMOTED=promoted.json" in ran.stderr
    assert not any("apply" in act for act in following.acts)


def test_an_image_with_a_model_takes_no_promoted_one(following):
    ran = following.make("deploy", "IMAGE=cats-dogs-api", f"PROMOTED={following.kept}/promoted.json")

    assert ran.returncode != 0
    assert "serves the model that is in its image, not models:/pets/3" in ran.stderr
    assert not any("apply" in act for act in following.acts)


def test_following_changes_the_model_and_nothing_else(following):
    ran = following.make("follow", "OVERLAY=kind-following", f"PROMOTED={following.kept}/promoted.json")

    assert ran.returncode == 0, ran.stderr
    patching, waiting = following.acts
    words, _, patch = patching.partition(" --patch ")
    assert words == f"{KUBECTL} --namespace mlops patch deployment cats-dogs-api"
    annotations = {"tapetum/model": "models:/pets/3", "tapetum/digest": "3" * 64}
    assert json.loads(patch) == {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    assert waiting == ROLLED_OUT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing: make promote NAME=… writes it"),
        ("nothing", "is not what `tapetum promote --json` prints"),
        (json.dumps({"name": "pets", "refused": {}, "checks": []}), "is not what `tapetum promote --json` prints"),
        (json.dumps(MOVED | {"digest": "3"}), "expected a name of letters, digits, dots and dashes, a number and"),
        (json.dumps(MOVED | {"name": "p;rm"}), "expected a name of letters, digits, dots and dashes, a number and"),
    ],
    ids=["missing", "no JSON", "refused", "short digest", "a shell's"],
)
def test_what_names_no_model_is_not_followed(following, content, words):
    promoted = following.kept / "promoted.json"
    promoted.write_text(content) if content else promoted.unlink()

    ran = following.make("follow", "OVERLAY=kind-following", f"PROMOTED={promoted}")

    assert ran.returncode != 0
    assert words in ran.stderr
    assert following.acts == []


def test_submission_zip_holds_what_is_committed(stage, tmp_path):
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(tmp_path / "clone")], check=True)
    shutil.copy(ROOT / "deploy" / "k8s.mk", tmp_path / "clone" / "deploy" / "k8s.mk")
    (tmp_path / "clone" / "notes").write_text("mine")
    ran = subprocess.run(
        ["make", "submission-zip"], cwd=tmp_path / "clone", capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert "?? notes" in ran.stderr
    names = zipfile.ZipFile(tmp_path / "clone" / "dist" / "tapetum.zip").namelist()
    assert {"tapetum/README.md", "tapetum/Makefile", "tapetum/src/tapetum/__init__.py"} <= set(names)
    assert "tapetum/notes" not in names
