"""Every NVIDIA GPU, as its driver tells of it through NVML (the extra `gpu` brings the library nvidia-ml-py)."""

from collections.abc import Callable
from typing import Any

from tapetum.watch.system_figures import GpuFigures, GpuReport

NOT_ASKED = GpuReport(gpus=[], reason="the GPUs have not been asked yet")


def look() -> GpuReport:
    """What each tells of itself now; a GPU or a value that fails costs itself only. The first look may take seconds."""
    try:
        import pynvml  # an optional extra
    except ImportError:
        return GpuReport(gpus=[], reason="nvidia-ml-py is not installed: pip install 'tapetum[gpu]'")
    try:
        pynvml.nvmlInit()  # counted by the driver: it is loaded by the first, and kept
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return GpuReport(gpus=[], reason=f"NVIDIA's driver cannot be asked: {error}")
    if not count:
        return GpuReport(gpus=[], reason="NVIDIA's driver knows of no GPU")
    return GpuReport(gpus=[_figures(pynvml, number) for number in range(count)], reason=None)


def _figures(nvml: Any, number: int) -> GpuFigures:
    questions: dict[str, Callable[[Any], Any]] = {
        "name": nvml.nvmlDeviceGetName,
        "uuid": nvml.nvmlDeviceGetUUID,
        "utilization": lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
        "memory_used_bytes": lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
        "memory_total_bytes": lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total,
        "temperature_celsius": lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
        "power_watts": lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    }
    answers: dict[str, Any] = dict.fromkeys(questions)
    missing: dict[str, str] = {}
    for name, ask in questions.items():
        try:
            # The handle anew each time: that of a GPU which was reset is none any more.
            answers[name] = ask(nvml.nvmlDeviceGetHandleByIndex(number))
        except nvml.NVMLError as error:
            missing[name] = str(error)
    return GpuFigures(gpu=number, missing=missing, **answers)
