"""Colours that people with any common colour vision can tell apart, on a dark page and on a light one."""

GOOD = "#009E73"
WARN = "#E08300"
BAD = "#CC1424"
BLUE = "#2F7FD1"
PURPLE = "#B565A7"
GREY = "#8A8F98"

# One meaning has one colour on every dashboard. What is not named here, such as a replica or a class of one's own
# pictures, gets Grafana's colours in the order of its name, which is the same on panels of the same things.
BY_NAME = {
    # quantiles, and shares below which that much lies
    "p50": BLUE,
    "p95": WARN,
    "p99": PURPLE,
    "p10": PURPLE,
    "p90": WARN,
    "mean": GREY,
    # answers
    "4xx": WARN,
    "5xx": BAD,
    # the example's classes
    "cat": BLUE,
    "dog": WARN,
    "cat, estimated": BLUE,
    "dog, estimated": WARN,
    # parts of an answer's time
    "wait": WARN,
    "decode": PURPLE,
    "inference": BLUE,
    # what people say of answers
    "realised": PURPLE,
    "on the test part": GREY,
    "right": GOOD,
    "wrong": BAD,
    "kept pictures": BLUE,
    # what a challenger says
    "the same class": BLUE,
    "compared": BLUE,
    "champion p50": BLUE,
    "champion p95": BLUE,
    "challenger p50": PURPLE,
    "challenger p95": PURPLE,
    "busy": GREY,
    "queue-full": WARN,
    "down": BAD,
    # what became of reloads
    "swapped": GOOD,
    "refused": BAD,
    # wanted and had
    "limit": PURPLE,
    "desired": GREY,
    "ready": GOOD,
    "running": BLUE,
    # the parts of the service
    "pictures": BLUE,
    "front": PURPLE,
    "workers": BLUE,
    "unsure": BLUE,
    # drift, and accuracy as confidence tells it
    "features": PURPLE,
    "unlike": BLUE,
    "estimated": BLUE,
    "at most": PURPLE,
    "in the profile": GREY,
    # burn rates by window
    "1h": BLUE,
    "6h": PURPLE,
    "1d": GOOD,
    "3d": GREY,
    # pods
    "Running": GOOD,
    "Pending": WARN,
    "Failed": BAD,
    "Unknown": PURPLE,
    "Succeeded": GREY,
    # memory
    "used": BLUE,
    "cached": PURPLE,
    "buffers": WARN,
    # both ways
    "received": BLUE,
    "sent": PURPLE,
    "read": BLUE,
    "written": PURPLE,
    # log lines by level
    "debug": GREY,
    "info": BLUE,
    "warning": WARN,
    "error": BAD,
    "critical": PURPLE,
    # problems that tell most
    "overloaded": WARN,
    "deadline-passed": PURPLE,
    "internal-error": BAD,
    "broken-picture": BLUE,
    "not-ready": GREY,
    # mails and notifications
    "email sent": PURPLE,
    "email failed": BAD,
    "failed": BAD,
    "suppressed": GREY,
}

# Lines beside others of the same colour.
DASHED = ("cat, estimated", "dog, estimated", "champion p95", "challenger p95")

# Which of them the values of a label can be.
OF_LABEL = {
    "predicted_class": ("cat", "dog"),
    "phase": ("Running", "Pending", "Failed", "Unknown", "Succeeded"),
    "type": ("overloaded", "deadline-passed", "internal-error", "broken-picture", "not-ready"),
    "reason": ("overloaded", "deadline-passed", "busy", "queue-full", "down", "failed"),
    "outcome": ("right", "wrong", "swapped", "refused"),
    "role": ("champion", "challenger"),
    "integration": ("email",),
    "level": ("debug", "info", "warning", "error", "critical"),
}
