"""The series of requests, of predictions, and of the queue behind them."""

from tapetum.metrics.series import SHARES, SHORT, SIZES, TIMES, Series

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
    buckets=TIMES,
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
    "http_request_size_bytes", "histogram", "bytes", "Bytes of a request's body.", labels=("path",), buckets=SIZES
)
RESPONSE_SIZE = Series(
    "http_response_size_bytes", "histogram", "bytes", "Bytes of an answer's body.", labels=("path",), buckets=SIZES
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
    buckets=TIMES,
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
    "prediction_queue_seconds", "histogram", "seconds", "Time that a picture waited for a worker.", buckets=SHORT
)
DECODE_TIME = Series(
    "prediction_decode_seconds", "histogram", "seconds", "Time to decode and resize a picture.", buckets=SHORT
)
INFERENCE_TIME = Series(
    "prediction_inference_seconds",
    "histogram",
    "seconds",
    "Time in the model, of a picture or of the batch that it was computed in.",
    labels=("engine", "device"),
    buckets=SHORT,
)
CONFIDENCE = Series(
    "prediction_confidence", "histogram", "share", "Probability of the predicted class.", buckets=SHARES
)
MARGIN = Series(
    "prediction_margin",
    "histogram",
    "share",
    "Probability of the predicted class minus that of the next.",
    buckets=SHARES,
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

# The queue and the workers behind it.
QUEUE = Series("prediction_queue_pictures", "gauge", "pictures", "Pictures that wait or are computed.")
QUEUE_LIMIT = Series("prediction_queue_limit_pictures", "gauge", "pictures", "How many may wait or be computed.")
BATCH_LIMIT = Series(
    "prediction_batch_limit_pictures",
    "gauge",
    "pictures",
    "Most pictures computed together; 1 where that does not pay.",
)
QUEUE_AGE = Series("prediction_queue_age_seconds", "gauge", "seconds", "How long the first picture in the queue waits.")
WORKERS = Series("workers", "gauge", "processes", "Processes that take pictures.")
WORKERS_WANTED = Series("workers_wanted", "gauge", "processes", "Processes that should take pictures.")
WORKERS_REPLACED = Series("workers_replaced_total", "counter", "processes", "Processes that had to be replaced.")
WORKER_MEMORY = Series("workers_memory_bytes", "gauge", "bytes", "Resident memory of all workers.")
