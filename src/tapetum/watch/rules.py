"""The rules of the built-in alerts, with what to do when one fires."""

from tapetum.settings import Settings, variable
from tapetum.watch.alerting import Bound, Rule

METRICS = {
    "error_rate": "Error rate",
    "confidence_average": "Average confidence",
    "confidence_minimum": "Lowest confidence",
    "accuracy_loss": "Estimated loss of accuracy",
    "drift": "Share of statistics that drifted",
    "cpu": "CPU",
    "memory": "Memory",
    "disk": "Disk",
}


def of(settings: Settings) -> tuple[Rule, ...]:
    """The rules that the settings ask for; that of single predictions only where it has a bound."""
    for_s, cooldown_s = settings.alert_for_s, settings.alert_cooldown_s
    rules = (
        Rule(
            "HighErrorRate",
            "error_rate",
            _at_most(settings.alert_error_rate, back=0.5),
            for_s,
            cooldown_s,
            "critical",
            "The service fails to answer requests.",
            (
                "/ready says whether workers live, /api-stats which problems are answered and on which paths.",
                "overloaded or deadline-passed: more comes than can be computed; add workers or replicas.",
                "worker-lost: pictures end a worker; the log has each with its request id.",
                "internal-error: a fault of the service; the log has its traceback under the request id.",
            ),
        ),
        Rule(
            "LowConfidence",
            "confidence_average",
            _at_least(settings.alert_confidence),
            for_s,
            cooldown_s,
            "warning",
            "The model is unsure of what it is asked.",
            (
                "/model-stats shows how confidence and classes are spread; look at the pictures that now come.",
                "Other pictures than it was trained on: gather some, label them and train again.",
                "A new model since it began: put the one before it back.",
            ),
        ),
        Rule(
            "UnsurePrediction",
            "confidence_minimum",
            _at_least(settings.alert_single_confidence),
            0.0,
            cooldown_s,
            "warning",
            "A single prediction was less confident than wanted.",
            (
                "The log has its class and confidence under its request id.",
                f"Too many of these mails: lower {variable('alert_single_confidence')}, or set it to 0.",
            ),
        ),
        Rule(
            "AccuracyLoss",
            "accuracy_loss",
            _at_most(settings.alert_accuracy_loss, back=0.5),
            for_s,
            cooldown_s,
            "warning",
            "Other pictures come than the model knows, and it is right less often.",
            (
                "/model-stats names under drift which statistics drifted, and what accuracy is estimated to be.",
                "Look at the pictures that now come: a camera, a converter or a source of pictures may have changed.",
                "Where they are here to stay: gather some, label them and train again.",
            ),
        ),
        Rule(
            "Drift",
            "drift",
            Bound("above", 0.0, 0.0),
            for_s,
            cooldown_s,
            "ticket",
            "Other pictures come than the model was measured on.",
            (
                "/model-stats names under drift which statistics drifted; its estimate says what that costs.",
                "`tapetum drift BUNDLE FOLDER` shows the pictures of a folder that moved them most.",
            ),
        ),
        Rule(
            "HighCPUUsage",
            "cpu",
            _at_most(settings.alert_cpu, back=0.95),
            for_s,
            cooldown_s,
            "warning",
            "The processors are busy, and answers take longer.",
            (
                "/api-stats says whether more requests come than usual: add replicas, or a larger machine.",
                "Where requests are few: find what else computes on this machine.",
            ),
        ),
        Rule(
            "HighMemoryUsage",
            "memory",
            _at_most(settings.alert_memory, back=0.95),
            for_s,
            cooldown_s,
            "warning",
            "Memory is nearly used up; the system will end processes when it is.",
            (
                "/system-info says how much of it is the service's own.",
                f"The service: fewer workers ({variable('workers')}) or a lower {variable('worker_max_bytes')}.",
                "Others: end them, or move the service.",
            ),
        ),
        Rule(
            "HighDiskUsage",
            "disk",
            _at_most(settings.alert_disk, back=0.95),
            for_s,
            cooldown_s,
            "warning",
            "The disk is nearly full; logs and models will not be written when it is.",
            (
                "Remove old runs, logs or other files, or enlarge the disk.",
                "The service goes on answering without a disk, but its log file does not.",
            ),
        ),
    )
    return tuple(rule for rule in rules if rule.name != "UnsurePrediction" or settings.alert_single_confidence > 0)


def _at_most(threshold: float, back: float) -> Bound:
    """Over at this part of the threshold."""
    return Bound("above", threshold, threshold * back)


def _at_least(threshold: float) -> Bound:
    """Over two points higher."""
    return Bound("below", threshold, min(threshold + 0.02, 1.0))
