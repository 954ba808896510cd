"""What computes here: engines, processor, GPUs, and the cores, memory and disk that this process may use."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tapetum import cgroups, machine
from tapetum.doctor.finding import Finding, State
from tapetum.watch import gpu

_AREA = "computing"
_ENGINES = {
    "onnxruntime": ("ONNX Runtime", "TAPETUM_ENGINE=onnxruntime and int8", "pip install 'tapetum[onnxruntime]'"),
    "torch": ("torch", "training, and the engine torch", "pip install 'tapetum[train]'"),
}
# By the flags of /proc/cpuinfo, on x86-64 and on Arm.
_BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "Arm"}
_INT8 = {"amx_int8": "AMX", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI", "i8mm": "Arm", "asimddp": "Arm"}
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON"}
_LITTLE_MEMORY_BYTES = 1_000_000_000
_LITTLE_DISK_BYTES = 1_000_000_000
_DISK_TO_TRAIN_BYTES = 7_000_000_000


def look(root: Path = Path("/")) -> Iterator[Finding]:
    """Everything that computes; `root` is where /proc and /sys begin."""
    yield _openvino()
    for package, (name, purpose, remedy) in _ENGINES.items():
        found = _version(package) or (_version("onnxruntime-gpu") if package == "onnxruntime" else "")
        state: State = "ok" if found else "missing"
        yield Finding(_AREA, name, state, found or "not installed", f"for {purpose}" + ("" if found else f": {remedy}"))
    yield from _processor(root)
    yield _gpus()
    yield _cores(root)
    yield _memory(root)
    yield from _disks()


def _openvino() -> Finding:
    """The engine of the base; it is imported, since a library that it needs may be missing."""
    found = _version("openvino")
    try:
        has_bf16 = machine.has_bf16()
    except Exception as error:  # a missing library, or no plugin for the processor: whatever it is, it is to be told
        reason = " ".join(str(error).split())
        return Finding(_AREA, "OpenVINO", "broken", found or "not installed", f"{reason}: pip install openvino")
    precision = "bf16, the fastest that every bundle has" if has_bf16 else "fp32: this processor has no bf16"
    return Finding(_AREA, "OpenVINO", "ok", found, f"the engine unless another is named; auto is {precision}")


def _processor(root: Path) -> Iterator[Finding]:
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        yield Finding(_AREA, "processor", "warning", machine.processor(), "this system does not tell what it can")
        return
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    vectors = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    yield Finding(
        _AREA,
        "processor",
        "ok" if vectors and vectors != "NEON" else "warning",
        machine.processor(),
        f"computes fp32 in {vectors}" if vectors else "without AVX2: fp32 is slow here",
    )
    for precision, known, with_it, without in (
        (
            "bf16",
            _BF16,
            "precision auto takes it, with half the memory traffic of fp32",
            "bundles compute in fp32 here",
        ),
        (
            "int8",
            _INT8,
            "worth a try where bf16 is too slow: `tapetum export`",
            "int8 gains little, and rounds otherwise",
        ),
    ):
        units = list(dict.fromkeys(name for flag, name in known.items() if flag in flags))
        yield Finding(
            _AREA,
            precision,
            "ok" if units else "missing",
            ", ".join(units) or "not in hardware",
            with_it if units else without,
        )


def _gpus() -> Finding:
    report = gpu.look()
    if report.gpus:
        names = ", ".join(str(each.name) for each in report.gpus)
        return Finding(_AREA, "GPU", "ok", names, "train.device=auto takes it; to serve on it: TAPETUM_DEVICE=cuda")
    device = next((path for path in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg") if os.path.exists(path)), None)
    if device is not None:
        return Finding(_AREA, "GPU", "warning", f"{device} is there", f"it is not used: {report.reason}")
    return Finding(_AREA, "GPU", "missing", "none found", "everything runs on the processor")


def _cores(root: Path) -> Finding:
    cores, whole = machine.cores(root), os.cpu_count() or 1
    found = f"{cores} of {whole}" if cores < whole else str(cores)
    return Finding(_AREA, "cores", "ok", found, f"the service starts {cores} workers unless TAPETUM_WORKERS says so")


def _memory(root: Path) -> Finding:
    limit = cgroups.memory(root)
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        sizes = {name: int(size.split()[0]) * 1024 for name, _, size in (line.partition(":") for line in lines)}
    except (OSError, ValueError, IndexError):
        sizes = {}
    free, total = sizes.get("MemAvailable", 0), sizes.get("MemTotal", 0)
    if limit is not None and (not total or limit.limit < total):
        free, total = min(free or int(limit.limit), int(limit.limit - limit.used)), int(limit.limit)
    if not total:
        return Finding(_AREA, "memory", "warning", "unknown", "this system does not tell")
    little = free < _LITTLE_MEMORY_BYTES
    return Finding(
        _AREA,
        "memory",
        "warning" if little else "ok",
        f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free",
        "little: a service of two workers holds up to 1 GB" if little else "of what this process may take",
    )


def _disks() -> Iterator[Finding]:
    for name, folder in (("disk", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        little = free < _LITTLE_DISK_BYTES
        meaning = "little: free some space" if little else "enough to train and to serve"
        if not little and free < _DISK_TO_TRAIN_BYTES and not _version("torch"):
            meaning = "enough to serve; the extra train takes 7 GB on Linux"
        yield Finding(_AREA, name, "warning" if little else "ok", f"{free / 1e9:.1f} GB free in {folder}", meaning)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
