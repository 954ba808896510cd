"""The catalogue of every exported series: names, kinds, units and labels as data."""

from tapetum.metrics import process, quality, service
from tapetum.metrics.process import *  # noqa: F403 (to whoever counts it is one catalogue, whatever the file)
from tapetum.metrics.quality import *  # noqa: F403 (the same)
from tapetum.metrics.series import Series as Series
from tapetum.metrics.service import *  # noqa: F403 (the same)

CATALOGUE = tuple(
    series for part in (service, quality, process) for series in vars(part).values() if isinstance(series, Series)
)
