"""What is told of the machine and of this process; None stands for what the system does not tell."""

from datetime import datetime

from pydantic import Field

from tapetum.watch.figures import Figures, Number

_SINCE_START = "since the machine started."


class Cpu(Figures):
    """Processors."""

    cores: int = Field(description="Cores that the service may use: the least of affinity and quotas, at least 1.")
    share: Number | None = Field(
        description="Share of them in use between the last two looks, 0 to 1: of the container's quota where it has "
        "one, else of the cores of the process's affinity, whoever uses them; null before the second look."
    )
    share_of_cores: dict[int, Number] = Field(
        description="Share of each core of the affinity in use in that time, by its number, 0 to 1."
    )
    load: tuple[Number, Number, Number] | None = Field(
        description="Processes of the machine that run or wait to, on average of 1, 5 and 15 minutes."
    )


class Memory(Figures):
    """Memory: the container's where it has a limit, else the machine's."""

    used_bytes: int = Field(description="Bytes in use; files kept in memory that can be dropped at once are not.")
    total_bytes: int = Field(description="Bytes that there are, or the container's limit.")
    share: Number = Field(description="Used by total, 0 to 1.")


class Disk(Figures):
    """The disk of the working folder."""

    used_bytes: int = Field(description="Bytes in use.")
    total_bytes: int = Field(description="Bytes in use and bytes that can still be written.")
    share: Number = Field(description="Used by total, 0 to 1.")


class DiskIo(Figures):
    """All disks of the machine together."""

    read_bytes: int = Field(description=f"Bytes read {_SINCE_START}")
    written_bytes: int = Field(description=f"Bytes written {_SINCE_START}")


class Network(Figures):
    """All network interfaces of the machine or container together, without loopback."""

    received_bytes: int = Field(description="Bytes received since the machine or container started.")
    sent_bytes: int = Field(description="Bytes sent since then.")


class Process(Figures):
    """The service's own process, without its workers."""

    pid: int
    started: datetime = Field(description="When it started.")
    cpu_s: Number = Field(description="Processor time that it has used, in seconds.")
    memory_bytes: int = Field(description="Resident memory, in bytes.")
    open_files: int | None = Field(description="Files and connections that it has open.")
    most_open_files: int | None = Field(description="How many it may have open.")


class SystemFigures(Figures):
    """The machine or container, and this process, at one look."""

    host: str = Field(description="Name of the machine, or of its container or pod.")
    processor: str
    looked: datetime = Field(description="When this was looked at.")
    cpu: Cpu
    memory: Memory | None
    disk: Disk | None
    disk_io: DiskIo | None
    network: Network | None
    process: Process | None


class GpuFigures(Figures):
    """One GPU; null is what its driver did not tell."""

    gpu: int = Field(description="Its number.")
    name: str | None
    uuid: str | None
    utilization: Number | None = Field(description="Share of time in which it computed, 0 to 1.")
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_celsius: Number | None
    power_watts: Number | None
    missing: dict[str, str] = Field(description="Why a value is null, in the driver's words.")


class GpuReport(Figures):
    """Every NVIDIA GPU of the machine or container."""

    gpus: list[GpuFigures]
    reason: str | None = Field(description="Why there is none to tell of; null where there is.")
