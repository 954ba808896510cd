"""What a user installs: small, without torch, and pinned."""

import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from running import running, serve_command

ROOT = Path(__file__).parents[2]
LARGEST_BASE_INSTALL_BYTES = 500_000_000


def pins(path: Path) -> set[str]:
    """Names and versions; the lock may hold a package for more systems than the requirements do."""
    return {line.partition(" ;")[0] for line in path.read_text().splitlines() if "==" in line}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the base install from a built wheel."""
    environment = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT), "--constraint", str(ROOT / "lock.txt")], check=True)
    return environment / "bin"


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [re.split(r"[^a-z0-9-]", each)[0] for each in chain(project["dependencies"], *extras)]
    locked = {line.partition("==")[0] for line in pins(ROOT / "lock.txt")}

    assert declared
    assert [name for name in declared if name not in locked] == []


def test_requirements_are_the_lock_without_what_only_developers_need():
    requirements = pins(ROOT / "requirements.txt")

    assert requirements < pins(ROOT / "lock.txt")
    assert any(line.startswith("torch==") for line in requirements)
    assert not any(line.startswith(("pytest==", "ruff==")) for line in requirements)


def test_the_base_install_is_small_and_has_no_torch(base):
    installed = [file for file in base.parent.rglob("*") if file.is_file() and not file.is_symlink()]
    packages = {path.name for path in next(base.parent.glob("lib/python*/site-packages")).iterdir()}

    assert sum(file.stat().st_size for file in installed) < LARGEST_BASE_INSTALL_BYTES
    assert not packages & {"torch", "mlflow", "onnxruntime", "sklearn", "timm"}


def test_the_base_install_predicts(base, bundle_path, trained, tmp_path):
    picture = trained / "pictures" / "dark" / "00.png"
    command = [str(base / "tapetum"), "predict", str(bundle_path), str(picture), "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=_plain())

    assert json.loads(ran.stdout)["prediction"] == "dark"


def test_the_base_install_serves(base, bundle_path, trained, tmp_path):
    picture = trained / "pictures" / "dark" / "00.png"

    with running(serve_command(bundle_path, str(base / "python")), tmp_path / "log") as service:
        response = service.client.post("/predict", files={"file": picture.read_bytes()})
        page = service.client.get("/", headers={"Accept": "text/html"})
        (script,) = re.findall(r'src="(page/\w+/page\.js)"', page.text)
        assert service.client.get(f"/{script}").status_code == 200

    assert response.json()["prediction"] == "dark"


def test_what_the_base_install_lacks_is_named_with_the_remedy(base, bundle_path, trained, tmp_path):
    picture = trained / "pictures" / "dark" / "00.png"
    command = [str(base / "tapetum"), "predict", str(bundle_path), str(picture), "--engine", "torch"]

    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=_plain())

    assert ran.returncode == 2
    assert "pip install 'tapetum[train]'" in ran.stderr


@pytest.mark.parametrize(
    "arguments", [("train", "pictures"), ("evaluate", "bundle", "--data", "manifest.json")], ids=["train", "evaluate"]
)
def test_making_models_without_the_extra_is_an_error_with_the_remedy(base, trained, tmp_path, arguments):
    arguments = [str(trained / word) if (trained / word).exists() else word for word in arguments]

    ran = subprocess.run(
        [str(base / "tapetum"), *arguments], capture_output=True, text=True, check=False, cwd=tmp_path, env=_plain()
    )

    assert ran.returncode == 2
    assert "pip install 'tapetum[train]'" in ran.stderr


def test_recipes_come_with_the_wheel(base, tmp_path):
    program = "from tapetum import recipe; print(sorted(recipe.shipped()))"

    ran = subprocess.run(
        [str(base / "python"), "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert ran.stdout.strip() == "['cats-dogs', 'cats-dogs-transfer', 'cifar10', 'digits']"


def _plain() -> dict[str, str]:
    """The environment without what measures coverage in our own processes."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COV", "COVERAGE"))}
