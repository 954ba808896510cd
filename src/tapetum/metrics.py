"""The catalogue of every exported series: names, kinds, units and labels as data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Series:
    """One series as Prometheus sees it; `buckets` are the upper bounds of a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SIZES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_GPU = ("gpu", "name", "uuid")


# What came in over HTTP. `path` is a route of the service; what fits none is `other`.
REQUESTS = Series(
    "http_requests_total", "counter", "requests", "Requests answered.", labels=("method", "path", "status")
)
REQUEST_TIME = Series(
    "http_request_duration_seconds",
    "histogram",
    "seconds",
    "Time from a request's head to the end of its answer.",
    labels=("path",),
    buckets=_TIMES,
)
PROBLEMS = Series(
    "http_problems_total",
    "counter",
    "requests",
    "Requests answered with a problem, by the last word of its type.",
    labels=("path", "type"),
)
IN_FLIGHT = Series(
    "http_requests_in_flight", "gauge", "requests", "Requests whose answer has not ended; a scrape sees itself."
)
REQUEST_SIZE = Series(
    "http_request_size_bytes", "histogram", "bytes", "Bytes of a request's body.", labels=("path",), buckets=_SIZES
)
RESPONSE_SIZE = Series(
    "http_response_size_bytes", "histogram", "bytes", "Bytes of an answer's body.", labels=("path",), buckets=_SIZES
)

# Predictions.
PREDICTIONS = Series(
    "predictions_total", "counter", "predictions", "Pictures answered with a class.", labels=("predicted_class",)
)
LATENCY = Series(
    "prediction_latency_seconds",
    "histogram",
    "seconds",
    "Time from a request's head to its answer, of pictures answered with a class.",
    buckets=_TIMES,
)
ERRORS = Series(
    "prediction_errors_total",
    "counter",
    "requests",
    "Prediction requests that the service failed to answer; a caller's bad picture is not counted.",
)
SHED = Series(
    "prediction_requests_shed_total",
    "counter",
    "requests",
    "Prediction requests given up without an answer, by the last word of the type of their problem.",
    labels=("reason",),
)
QUEUE_TIME = Series(
    "prediction_queue_seconds", "histogram", "seconds", "Time that a picture waited for a worker.", buckets=_SHORT
)
DECODE_TIME = Series(
    "prediction_decode_seconds", "histogram", "seconds", "Time to decode and resize a picture.", buckets=_SHORT
)
INFERENCE_TIME = Series(
    "prediction_inference_seconds",
    "histogram",
    "seconds",
    "Time in the model, of a picture or of the group that it was computed in.",
    labels=("engine", "device"),
    buckets=_SHORT,
)
CONFIDENCE = Series(
    "prediction_confidence", "histogram", "share", "Probability of the predicted class.", buckets=_SHARES
)
MARGIN = Series(
    "prediction_margin",
    "histogram",
    "share",
    "Probability of the predicted class minus that of the next.",
    buckets=_SHARES,
)
LOW_CONFIDENCE = Series(
    "low_confidence_predictions_total",
    "counter",
    "predictions",
    "Predictions less confident than TAPETUM_LOW_CONFIDENCE.",
)
MODEL = Series(
    "model_info",
    "gauge",
    "1",
    "Always 1: which model is served, and how.",
    labels=("name", "version", "digest", "fingerprint", "engine", "device", "precision"),
)
RELOADS = Series(
    "model_reloads_total",
    "counter",
    "reloads",
    "Reloads: swapped for the new bundle, or refused, and the model of before goes on.",
    labels=("outcome",),
)
READY = Series("model_ready", "gauge", "1", "1 while requests can be answered, else 0.")

# The last predictions beside the profile of the bundle. What no verdict tells has no series.
UNLIKE = Series("unlike_training_total", "counter", "predictions", "Predictions of pictures unlike the training data.")
DRIFT_WINDOW = Series(
    "drift_window_predictions", "gauge", "predictions", "Predictions in the window that is compared; 0 without profile."
)
DRIFT = Series("drift_detected", "gauge", "1", "1 while the window has drifted from the profile, else 0.")
DRIFT_LOSS = Series(
    "drift_estimated_loss_ratio", "gauge", "share", "Accuracy that drift costs at least, as estimated; 0 without drift."
)
DRIFT_TIME = Series("drift_comparison_seconds", "gauge", "seconds", "Time that the last comparison took.")
DRIFT_PSI = Series(
    "drift_psi", "gauge", "1", "Population stability index of the window against the profile.", labels=("statistic",)
)
DRIFT_PSI_THRESHOLD = Series(
    "drift_psi_threshold", "gauge", "1", "The index above which a window has drifted.", labels=("statistic",)
)
DRIFT_FEATURES = Series(
    "drift_feature_distance", "gauge", "1", "Squared maximum mean discrepancy of what the model sees from the profile."
)
DRIFT_FEATURES_THRESHOLD = Series(
    "drift_feature_distance_threshold", "gauge", "1", "The distance above which a window has drifted."
)
REFERENCE_ACCURACY = Series("model_reference_accuracy_ratio", "gauge", "share", "Accuracy on the profile's pictures.")
ESTIMATED = Series(
    "model_estimated_accuracy_ratio", "gauge", "share", "Accuracy estimated from confidence; absent where it cannot be."
)
ESTIMATED_LOW = Series(
    "model_estimated_accuracy_low_ratio", "gauge", "share", "Lower bound of its 95 % band; absent with it."
)
ESTIMATED_HIGH = Series(
    "model_estimated_accuracy_high_ratio", "gauge", "share", "Upper bound of its band, which holds without it too."
)
ESTIMATED_CLASS = Series(
    "model_estimated_class_accuracy_ratio",
    "gauge",
    "share",
    "Estimated share of right answers among those of a class; absent where it cannot be.",
    labels=("predicted_class",),
)

# The queue and the workers behind it.
QUEUE = Series("prediction_queue_pictures", "gauge", "pictures", "Pictures that wait or are computed.")
QUEUE_LIMIT = Series("prediction_queue_limit_pictures", "gauge", "pictures", "How many may wait or be computed.")
GROUP_LIMIT = Series(
    "prediction_group_limit_pictures",
    "gauge",
    "pictures",
    "Most pictures computed together; 1 where that does not pay.",
)
QUEUE_AGE = Series("prediction_queue_age_seconds", "gauge", "seconds", "How long the first picture in the queue waits.")
WORKERS = Series("workers", "gauge", "processes", "Processes that take pictures.")
WORKERS_WANTED = Series("workers_wanted", "gauge", "processes", "Processes that should take pictures.")
WORKERS_REPLACED = Series("workers_replaced_total", "counter", "processes", "Processes that had to be replaced.")
WORKER_MEMORY = Series("workers_memory_bytes", "gauge", "bytes", "Resident memory of all workers.")

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

# What people said of answers, beside what the bundle states; and the pictures that were kept for them.
TEST_ACCURACY = Series(
    "model_test_accuracy_ratio",
    "gauge",
    "share",
    "Accuracy of the served model on its test part, in the precision served, as its bundle states it.",
)
FEEDBACK = Series(
    "feedback_total", "counter", "words", "Words of feedback: answers called right or wrong.", labels=("outcome",)
)
JUDGED = Series(
    "judged_predictions",
    "gauge",
    "predictions",
    "The last 1,000 answers of the served model that feedback judged, by what the model said and which it was.",
    labels=("predicted_class", "outcome"),
)
KEPT = Series("kept_pictures", "gauge", "pictures", "Served pictures in TAPETUM_KEEP_PICTURES_DIR.")
KEPT_SIZE = Series("kept_pictures_size_bytes", "gauge", "bytes", "Bytes that they take.")
KEPT_LOST = Series(
    "kept_pictures_lost_total",
    "counter",
    "pictures",
    "Pictures, and labels for them, that were to be kept and could not be.",
    labels=("reason",),
)

CATALOGUE = tuple(value for value in list(globals().values()) if isinstance(value, Series))
