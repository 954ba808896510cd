"""The layers of the package, held by what each module imports."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "tapetum"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A module may import from its own layer and from those before it.
LAYERS = (
    {
        "errors",
        "progress",
        "registry",
        "files",
        "machine",
        "cgroups",
        "recipe",
        "settings",
        "alert_settings",
        "feedback_settings",
        "shadow_settings",
        "metrics",
        "logs",
        "scores",
        "quantised",
    }
    | {"containers", "image", "resize", "signatures", "turning", "bundle", "curves", "kept", "markup", "profile"},
    {"data", "models", "inference", "stack"},
    {"training", "watch"},
    {"evaluation", "serving"},
    {"delivery", "pipeline", "doctor"},
    {"cli", "__main__", "__init__"},
)
HEAVY = {
    "torch": ("models/", "training/", "inference/torch_engine.py"),
    # What records, what moves the champion, and the file that MLflow itself runs where a model is loaded.
    "mlflow": (
        *("training/mlflow_client.py", "training/mlflow_tracking.py"),
        *("training/model_registry.py", "training/system_metrics.py", "training/recorder.py"),
        "delivery/registry.py",
        "inference/mlflow_model.py",
    ),
    "openvino": ("inference/openvino_engine.py", "inference/cut.py", "machine.py"),
    "onnxruntime": ("inference/onnxruntime_engine.py", "training/quantise.py"),
    "sklearn": ("data/sources.py", "data/confident.py"),
    "matplotlib": ("evaluation/", "delivery/load_plot.py"),
    "kagglehub": ("data/kaggle.py",),
    "psutil": ("watch/system.py", "delivery/own_service.py"),
    "pynvml": ("watch/gpu.py",),
    "opentelemetry": ("serving/spans.py",),
    "fastapi": ("serving/",),
    "click": ("cli/",),
    "grafana_foundation_sdk": ("stack/grafana/build.py",),
}
LONGEST = 250


def name_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def imports(module: Path) -> set[str]:
    """Full names of what a module imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{name_of(module)}: relative imports hide where a name lives"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rank(room: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if room in layer)


def room_of(module: Path) -> str:
    return Path(name_of(module)).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_layer_and_those_below(module):
    rooms = {name.split(".")[1] for name in imports(module) if name.startswith("tapetum.")} - {"__version__"}

    above = {room for room in rooms if rank(room) > rank(room_of(module))}

    assert not above


def test_no_import_leads_back_to_where_it_began():
    modules = {
        f"tapetum.{name_of(module)[:-3]}".replace("/", ".").removesuffix(".__init__"): module for module in MODULES
    }
    del modules["tapetum"]  # which brings in what it offers once that is asked for

    graph = {name: (imports(module) & modules.keys()) - {name} for name, module in modules.items()}

    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_stands_only_where_it_belongs(library):
    users = {name_of(module) for module in MODULES if library in {name.split(".")[0] for name in imports(module)}}

    assert users
    assert {user for user in users if not user.startswith(HEAVY[library])} == set()


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) in {"serving", "watch"}], ids=name_of)
def test_the_service_knows_nothing_of_making_models(module):
    makers = ("tapetum.training", "tapetum.data", "tapetum.models", "tapetum.evaluation")

    assert not [name for name in imports(module) if name.startswith(makers)]


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) == "stack"], ids=name_of)
def test_monitoring_is_written_from_the_catalogue_alone(module):
    own = {name for name in imports(module) if name.startswith("tapetum.")}

    assert {name for name in own if not name.startswith(("tapetum.metrics", "tapetum.stack"))} == set()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_sitting(module):
    lines = module.read_text().splitlines()

    assert len(lines) <= LONGEST
    assert not lines or lines[0].startswith('"""')
