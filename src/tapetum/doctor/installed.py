"""What is installed: Python, the packages that the base needs, and the extras, without importing any of them."""

import platform
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata

from tapetum import __version__
from tapetum.doctor.finding import Finding

Version = Callable[[str], str]

_AREA = "install"
_LEAST_PYTHON = (3, 11)
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[^]]*\])?(?P<bounds>[^;]*)(;(?P<marker>.*))?")
_SYSTEM = re.compile(r"(sys_platform|platform_machine) *(==|!=) *['\"]([\w-]+)['\"]")
# Whose versions stand for an extra; the first one's where nothing is said.
_TOLD = {"train": ("torch", "mlflow", "timm"), "dev": ("pytest", "ruff", "mypy"), "gpu": ("torch", "onnxruntime-gpu")}
_PURPOSES = {
    "train": "training, evaluation, import and int8",
    "onnxruntime": "the engine onnxruntime, and int8",
    "gpu": "serving and figures of NVIDIA's GPUs; never beside onnxruntime",
    "kaggle": "`tapetum data fetch cats-dogs`",
    "dvc": "`make data-setup` and `dvc repro`",
    "otel": "tracing: OTEL_TRACES_EXPORTER=otlp sends spans",
    "dev": "the tests, and the dashboards of Grafana",
}


def look(requirements: list[str] | None = None, version: Version = metadata.version) -> Iterator[Finding]:
    """Python, the base and each extra; `requirements` are as in the metadata of the installed package."""
    least = ".".join(map(str, _LEAST_PYTHON))
    old = sys.version_info[:2] < _LEAST_PYTHON
    yield Finding(
        _AREA,
        "Python",
        "broken" if old else "ok",
        platform.python_version(),
        f"Tapetum needs {least} or newer" if old else f"at {sys.executable}",
    )
    if requirements is None:
        try:
            requirements = metadata.requires("tapetum") or []
        except metadata.PackageNotFoundError:
            yield Finding(_AREA, "tapetum", "broken", "not installed", "run from its source: pip install .")
            return
    groups = _groups(requirements)
    wrong = _wrong(groups.pop("", []), version)
    yield Finding(
        _AREA,
        "tapetum",
        "broken" if wrong else "ok",
        ", ".join(wrong) if wrong else __version__,
        "pip install . brings what serving needs" if wrong else "it serves and predicts",
    )
    for extra, needed in sorted(groups.items()):
        wrong = _wrong(needed, version)
        yield Finding(
            "extras",
            extra,
            "missing" if wrong else "ok",
            ", ".join(wrong)
            if wrong
            else ", ".join(
                f"{name} {version(name)}" for name, _ in needed if name in _TOLD.get(extra, (needed[0][0],))
            ),
            f"for {_PURPOSES.get(extra, extra)}" + (f": pip install 'tapetum[{extra}]'" if wrong else ""),
        )


def _groups(requirements: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Name and least version of each package of this system, by extra; "" is the base."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for requirement in requirements:
        parts = _REQUIREMENT.match(requirement)
        assert parts is not None, requirement
        marker = parts["marker"] or ""
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        here = {"sys_platform": sys.platform, "platform_machine": platform.machine()}
        if any((here[name] == value) != (sign == "==") for name, sign, value in _SYSTEM.findall(marker)):
            continue
        least = re.search(r">=\s*([\w.!]+)", parts["bounds"])
        groups.setdefault(extra[1] if extra else "", []).append((parts["name"], least[1] if least else "0"))
    return groups


def _wrong(needed: list[tuple[str, str]], version: Version) -> list[str]:
    """Complaints of packages that are missing or too old."""
    found = []
    for name, least in needed:
        try:
            have = version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is missing")
            continue
        if _numbers(have) < _numbers(least):
            found.append(f"{name} is {have}, at least {least} is needed")
    return found


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("!")[2] or version)]
