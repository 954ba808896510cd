"""The page docs/metrics.md: every series of the catalogue in a table."""

from tapetum.metrics import CATALOGUE, Series

_HEAD = """# Metrics

Written by `make docs` from `metrics/`; do not edit.

`GET /metrics` gives these series. A histogram `x` has `x_bucket`, `x_sum` and `x_count`. Counters count from the start
of the process, so ask for `rate(…)` or `increase(…)` of them. What cannot be measured, such as a GPU where there is
none, has no series; it is never 0.

| series | kind | unit | labels | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(_row(series) for series in CATALOGUE)


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    bounds = f" Buckets up to {', '.join(f'{bound:g}' for bound in series.buckets)}." if series.buckets else ""
    return f"| `{series.name}` | {series.kind} | {series.unit} | {labels} | {series.help}{bounds} |\n"
