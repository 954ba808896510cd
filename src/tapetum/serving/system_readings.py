"""What the machine, this process and its GPUs say at a scrape, as of their last look."""

from collections.abc import Iterator

from tapetum import metrics
from tapetum.serving.instruments import Reading, Source
from tapetum.watch.sampler import Sampler
from tapetum.watch.system_figures import GpuReport, SystemFigures


def of_system(sampler: Sampler[SystemFigures]) -> Source:
    """Processors, memory, disks, network and the process; what the system does not tell has no series."""

    def read() -> Iterator[Reading]:
        now = sampler.latest
        yield Reading(metrics.CPU_CORES, now.cpu.cores)
        if now.cpu.share is not None:
            yield Reading(metrics.CPU, now.cpu.share)
        if now.memory is not None:
            yield Reading(metrics.MEMORY_USED, now.memory.used_bytes)
            yield Reading(metrics.MEMORY_TOTAL, now.memory.total_bytes)
        if now.disk is not None:
            yield Reading(metrics.DISK_USED, now.disk.used_bytes)
            yield Reading(metrics.DISK_TOTAL, now.disk.total_bytes)
        if now.disk_io is not None:
            yield Reading(metrics.DISK_READ, now.disk_io.read_bytes)
            yield Reading(metrics.DISK_WRITTEN, now.disk_io.written_bytes)
        if now.network is not None:
            yield Reading(metrics.NETWORK_RECEIVED, now.network.received_bytes)
            yield Reading(metrics.NETWORK_SENT, now.network.sent_bytes)
        if now.process is not None:
            yield Reading(metrics.PROCESS_CPU, now.process.cpu_s)
            yield Reading(metrics.PROCESS_MEMORY, now.process.memory_bytes)
            yield Reading(metrics.PROCESS_START, now.process.started.timestamp())
            if now.process.open_files is not None:
                yield Reading(metrics.PROCESS_FILES, now.process.open_files)
            if now.process.most_open_files is not None:
                yield Reading(metrics.PROCESS_FILES_LIMIT, now.process.most_open_files)

    return read


def of_gpus(sampler: Sampler[GpuReport]) -> Source:
    """Each GPU; what its driver does not tell has no series."""

    def read() -> Iterator[Reading]:
        for gpu in sampler.latest.gpus:
            values = {
                metrics.GPU_USE: gpu.utilization,
                metrics.GPU_MEMORY_USED: gpu.memory_used_bytes,
                metrics.GPU_MEMORY_TOTAL: gpu.memory_total_bytes,
                metrics.GPU_TEMPERATURE: gpu.temperature_celsius,
                metrics.GPU_POWER: gpu.power_watts,
            }
            for series, value in values.items():
                if value is not None:
                    yield Reading(series, value, (str(gpu.gpu), gpu.name or "", gpu.uuid or ""))

    return read
