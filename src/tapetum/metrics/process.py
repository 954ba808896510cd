"""The series of this process: its machine, its log and its alerts."""

from tapetum.metrics.series import Series

_GPU = ("gpu", "name", "uuid")

# This process, and the machine or container that it runs on.
PROCESS_CPU = Series("process_cpu_seconds_total", "counter", "seconds", "Processor time of the service's own process.")
PROCESS_MEMORY = Series("process_resident_memory_bytes", "gauge", "bytes", "Resident memory of its own process.")
PROCESS_FILES = Series("process_open_fds", "gauge", "files", "Files and connections that it has open.")
PROCESS_FILES_LIMIT = Series("process_max_fds", "gauge", "files", "How many it may have open.")
PROCESS_START = Series("process_start_time_seconds", "gauge", "seconds", "When it started, in Unix time.")
CPU = Series("system_cpu_usage_ratio", "gauge", "share", "Share of the processors in use since the last look, 0 to 1.")
CPU_CORES = Series("system_cpu_cores", "gauge", "cores", "Cores that the service may use.")
MEMORY_USED = Series(
    "system_memory_used_bytes", "gauge", "bytes", "Memory in use, of the container where it has a limit."
)
MEMORY_TOTAL = Series("system_memory_total_bytes", "gauge", "bytes", "Memory that there is, or the container's limit.")
DISK_USED = Series("system_disk_used_bytes", "gauge", "bytes", "Space in use on the disk of the working folder.")
DISK_TOTAL = Series("system_disk_total_bytes", "gauge", "bytes", "Space of that disk.")
DISK_READ = Series("system_disk_read_bytes_total", "counter", "bytes", "Bytes read from all disks.")
DISK_WRITTEN = Series("system_disk_written_bytes_total", "counter", "bytes", "Bytes written to all disks.")
NETWORK_RECEIVED = Series(
    "system_network_received_bytes_total", "counter", "bytes", "Bytes received, without loopback."
)
NETWORK_SENT = Series("system_network_sent_bytes_total", "counter", "bytes", "Bytes sent, without loopback.")

# Every NVIDIA GPU; what a driver does not tell has no series.
GPU_USE = Series("gpu_utilization_ratio", "gauge", "share", "Share of time that it computed, 0 to 1.", labels=_GPU)
GPU_MEMORY_USED = Series("gpu_memory_used_bytes", "gauge", "bytes", "Memory in use.", labels=_GPU)
GPU_MEMORY_TOTAL = Series("gpu_memory_total_bytes", "gauge", "bytes", "Memory that it has.", labels=_GPU)
GPU_TEMPERATURE = Series("gpu_temperature_celsius", "gauge", "degrees Celsius", "Temperature.", labels=_GPU)
GPU_POWER = Series("gpu_power_watts", "gauge", "watts", "Power drawn.", labels=_GPU)

# Logging. `handler` is console, file or syslog.
LOG_LINES = Series("log_lines_total", "counter", "lines", "Lines logged.", labels=("level",))
LOG_DROPPED = Series("log_lines_dropped_total", "counter", "lines", "Lines lost since the queue of lines was full.")
LOG_HANDLER_UP = Series("log_handler_up", "gauge", "1", "1 while lines reach this destination, else 0.", ("handler",))
LOG_HANDLER_ERRORS = Series(
    "log_handler_errors_total", "counter", "attempts", "Failed attempts to write to it.", ("handler",)
)
LOG_FILE_SIZE = Series("log_file_size_bytes", "gauge", "bytes", "Size of the log file, without its rotated ones.")

# The service's own alerts and their mails.
ALERTS_FIRING = Series("alerts_firing", "gauge", "1", "1 while this built-in alert fires, else 0.", labels=("alert",))
ALERTS_SENT = Series("alert_mails_sent_total", "counter", "mails", "Mails that the mail server took.")
ALERTS_FAILED = Series("alert_mails_failed_total", "counter", "mails", "Mails given up after all attempts.")
ALERTS_SUPPRESSED = Series("alert_mails_suppressed_total", "counter", "mails", "Mails held back by a cooldown.")
