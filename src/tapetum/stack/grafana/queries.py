"""PromQL of panels: series of the chosen replicas.

Every variable is a regular expression that matches everything by default. So
`namespace=~"$namespace"` holds for a target without that label too, as on one
machine. A replica belongs to a model by `model_info`; one that has none, since
its model never loaded, is always shown: its errors are what one looks for.
"""

from tapetum.metrics import MODEL, Series
from tapetum.stack.promql import SERVICE_JOB
from tapetum.stack.slo import Objective

WINDOW = "$__rate_interval"
_ALL_REPLICAS = f'job="{SERVICE_JOB}"'
CHOSEN = f'job="{SERVICE_JOB}",namespace=~"$namespace",instance=~"$instance"'
_OTHER_MODELS = f'{MODEL.name}{{job="{SERVICE_JOB}",name!~"$model"}}'
UP = "up"


def now(series: Series | str, matchers: str = "") -> str:
    """Each series as it is now; `matchers` are such as `le="0.5"`."""
    return _of_the_model(_select(series, "", matchers))


def rate(series: Series, matchers: str = "", suffix: str = "", window: str = WINDOW) -> str:
    """How fast each counter grows, a second; `suffix` is such as `_bucket`."""
    return _of_the_model(f"rate({_select(series, suffix, matchers)}[{window}])")


def grown(series: Series, matchers: str = "", suffix: str = "", window: str = "$__range") -> str:
    """By how much each counter grew, by default in the time that the dashboard shows."""
    return _of_the_model(f"increase({_select(series, suffix, matchers)}[{window}])")


def total(expr: str, by: str = "") -> str:
    """The sum, or one for each value of the labels of `by`."""
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def ratio(part: str, whole: str) -> str:
    """A share; nothing where there is nothing to have a share of, since 0 / 0 would be drawn as NaN."""
    return f"{part} / ({whole} > 0)"


def or_zero(expr: str, other: str) -> str:
    """`expr`, or 0 where it has no series yet but `other` has."""
    return f"{expr} or {other} * 0"


def mean(series: Series, window: str = WINDOW) -> str:
    """The mean of what a histogram saw."""
    return ratio(total(rate(series, suffix="_sum", window=window)), total(rate(series, suffix="_count", window=window)))


def quantile(share: float, series: Series, by: str = "", window: str = WINDOW) -> str:
    """A quantile of what a histogram saw, on all replicas together; nothing where it saw nothing."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, {total(rate(series, suffix='_bucket', window=window), labels)}) >= 0"


def _select(series: Series | str, suffix: str, matchers: str) -> str:
    name = series if isinstance(series, str) else series.name
    return f"{name}{suffix}{{{','.join(filter(None, (CHOSEN, matchers)))}}}"


def _of_the_model(expr: str) -> str:
    return f"({expr} unless on (job, instance) {_OTHER_MODELS})"


def bad(objective: Objective, window: str) -> str:
    """The share that was bad of what was asked of the chosen replicas, in the worst namespace."""
    return f"max({objective.ratio.replace('WINDOW', window).replace(_ALL_REPLICAS, CHOSEN)} >= 0)"


def budget_left(objective: Objective) -> str:
    """The share left of what may be bad within 30 days; below 0 it is overspent."""
    return f"1 - {bad(objective, '30d')} / {objective.budget:g}"


def burn(objective: Objective, window: str) -> str:
    """How many times faster than allowed the budget is spent, in the worst of the chosen namespaces."""
    recorded = f'{objective.recorded(window)}{{job="{SERVICE_JOB}",namespace=~"$namespace"}}'
    return f"max({recorded} >= 0) / {objective.budget:g}"
