"""NVIDIA GPUs where there are none: a driver's library made by gcc, asked by real processes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What NVML answers, by the flags that a test compiles it with: two GPUs, 7 and 8 degrees warmer than 30.
DRIVER = r"""
#include <string.h>
typedef struct { unsigned number; } gpu;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
#ifndef INIT
#define INIT 0
#endif
#ifndef COUNT
#define COUNT 2
#endif
static gpu gpus[] = {{0}, {1}};
int nvmlInitWithFlags(unsigned flags) { return INIT; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "an error of the stub"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu **device) {
#ifdef LOST
  if (index == LOST) return 15;
#endif
  *device = &gpus[index]; return 0;
}
int nvmlDeviceGetName(gpu *device, char *name, unsigned length) {
  strcpy(name, device->number ? "Stub B" : "Stub A"); return 0;
}
int nvmlDeviceGetUUID(gpu *device, char *uuid, unsigned length) {
  strcpy(uuid, device->number ? "GPU-b" : "GPU-a"); return 0;
}
int nvmlDeviceGetUtilizationRates(gpu *device, utilization *rates) {
  rates->gpu = device->number ? 0 : 75; return 0;
}
int nvmlDeviceGetMemoryInfo(gpu *device, memory *info) {
  info->total = 8000000000; info->used = 2000000000 + device->number; return 0;
}
int nvmlDeviceGetTemperature(gpu *device, int sensor, unsigned *celsius) { *celsius = 37 + device->number; return 0; }
#ifndef NO_POWER
int nvmlDeviceGetPowerUsage(gpu *device, unsigned *milliwatts) {
#ifdef POWER_ERROR
  if (device->number == 1) return POWER_ERROR;
#endif
  *milliwatts = 120500; return 0;
}
#endif
"""
LOOK = "from tapetum.watch import gpu; print(gpu.look().model_dump_json())"
VALUES = {"utilization", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts"}


@pytest.fixture
def driver(tmp_path):
    """Compile the driver's library with flags, and give the environment that finds it."""
    if shutil.which("gcc") is None:
        assert not os.environ.get("CI"), "gcc is missing: apt-get install gcc libc6-dev"
        pytest.skip("gcc is not installed; as root, `make test` installs it")

    def compiled(*flags: str) -> dict[str, str]:
        (tmp_path / "driver.c").write_text(DRIVER)
        library = tmp_path / "libnvidia-ml.so.1"
        options = ["-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", str(library)]
        subprocess.run(["gcc", *options, *flags, str(tmp_path / "driver.c")], check=True)
        return {"LD_LIBRARY_PATH": str(tmp_path)}

    return compiled


def look(environment: dict[str, str]) -> dict:
    """What another process says of the GPUs."""
    ran = subprocess.run(
        [sys.executable, "-c", LOOK], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


def samples(metrics: str) -> list[str]:
    return [line for line in metrics.splitlines() if line.startswith("gpu_")]


def test_every_gpu_is_told_of_with_all_its_values(driver, start):
    service = start(**driver())
    service.until(lambda: service.client.get("/system-info").json()["gpu"]["gpus"] != [])

    gpu = service.client.get("/system-info").json()["gpu"]

    assert gpu == {
        "reason": None,
        "gpus": [
            {
                "gpu": number,
                "name": name,
                "uuid": uuid,
                "utilization": utilization,
                "memory_used_bytes": 2_000_000_000 + number,
                "memory_total_bytes": 8_000_000_000,
                "temperature_celsius": 37 + number,
                "power_watts": 120.5,
                "missing": {},
            }
            for number, name, uuid, utilization in ((0, "Stub A", "GPU-a", 0.75), (1, "Stub B", "GPU-b", 0))
        ],
    }
    of_a, of_b = '{gpu="0",name="Stub A",uuid="GPU-a"}', '{gpu="1",name="Stub B",uuid="GPU-b"}'
    assert samples(service.client.get("/metrics").text) == [
        f"gpu_utilization_ratio{of_a} 0.75",
        f"gpu_utilization_ratio{of_b} 0.0",
        f"gpu_memory_used_bytes{of_a} 2e+09",
        f"gpu_memory_used_bytes{of_b} 2.000000001e+09",
        f"gpu_memory_total_bytes{of_a} 8e+09",
        f"gpu_memory_total_bytes{of_b} 8e+09",
        f"gpu_temperature_celsius{of_a} 37.0",
        f"gpu_temperature_celsius{of_b} 38.0",
        f"gpu_power_watts{of_a} 120.5",
        f"gpu_power_watts{of_b} 120.5",
    ]


def test_a_gpu_that_fails_has_no_series_and_costs_the_other_nothing(driver, start):
    service = start(**driver("-DLOST=0", "-DNO_POWER"))
    service.until(lambda: service.client.get("/system-info").json()["gpu"]["gpus"] != [])

    first, second = service.client.get("/system-info").json()["gpu"]["gpus"]

    assert {first[value] for value in (*VALUES, "name", "uuid")} == {None}
    assert set(first["missing"].values()) == {"GPU is lost"}
    assert second["temperature_celsius"] == 38
    assert (second["power_watts"], second["missing"]) == (None, {"power_watts": "Function Not Found"})
    found = samples(service.client.get("/metrics").text)
    assert len(found) == 4
    assert all('gpu="1"' in line and "power" not in line for line in found)


def test_a_call_that_fails_costs_its_value_only(driver):
    first, second = look(driver("-DPOWER_ERROR=3"))["gpus"]

    assert (first["power_watts"], first["missing"]) == (120.5, {})
    assert (second["power_watts"], second["missing"]) == (None, {"power_watts": "Not Supported"})
    assert [value for value in VALUES if second[value] is None] == ["power_watts"]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["-DINIT=9"], "NVIDIA's driver cannot be asked: Driver Not Loaded"),
        (["-DCOUNT=0"], "NVIDIA's driver knows of no GPU"),
    ],
)
def test_without_a_gpu_there_is_a_reason(driver, flags, reason):
    assert look(driver(*flags)) == {"gpus": [], "reason": reason}


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU")
def test_without_the_drivers_library_there_is_a_reason():
    assert look({})["reason"] == "NVIDIA's driver cannot be asked: NVML Shared Library Not Found"


def test_without_nvidia_ml_py_there_is_a_remedy(tmp_path):
    """As in an environment without the extra: something else stands where its module would."""
    (tmp_path / "pynvml.py").write_text("raise ImportError")

    found = look({"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])})

    assert found == {"gpus": [], "reason": "nvidia-ml-py is not installed: pip install 'tapetum[gpu]'"}
