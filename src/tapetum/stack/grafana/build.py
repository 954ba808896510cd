"""Dashboards in Grafana's schema; the only module that needs grafana-foundation-sdk."""

import json
import re
from collections.abc import Callable, Iterator, Sequence

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.builders import stat as bigvalue
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as schema

from tapetum.stack.grafana.colours import BAD, BY_NAME, DASHED, OF_LABEL
from tapetum.stack.grafana.panels import Limits, Page, Panel, Row, Variable

PanelBuilder = bigvalue.Panel | bargauge.Panel | timeseries.Panel

SOURCE = schema.DataSourceRef(type_val="prometheus", uid="prometheus")
_COLUMNS = 24
_TAG = "tapetum"  # dashboards that link to each other


def to_json(page: Page, runbooks: str) -> str:
    """The dashboard's file; panels link to headings of the page `runbooks`."""
    board = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([_TAG])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(schema.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .variables([_variable(variable) for variable in page.variables])
        .annotation(_alerts())
        .link(
            dashboard.DashboardLink("Tapetum")
            .type(schema.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    built = board.build()
    built.panels = list(_placed(page.rows, runbooks))
    return json.dumps(built, cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _variable(variable: Variable) -> dashboard.QueryVariable:
    chosen = variable.chosen or "All"
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.description)
        .datasource(SOURCE)
        .query(variable.query)
        .refresh(schema.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(schema.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(schema.VariableOption(selected=True, text=[chosen], value=[variable.chosen or "$__all"]))
    )


def _alerts() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(BAD)
        .expr('ALERTS{alertstate="firing",alertname!="Watchdog"}')
    )


def _placed(rows: Sequence[Row], runbooks: str) -> Iterator[schema.Panel | schema.RowPanel]:
    """Panels where they fit, each as high up and then as far left as it can be."""
    number, top = 0, 0
    for row in rows:
        number += 1
        heading = dashboard.Row(row.title).id(number).collapsed(row.is_collapsed).build()
        heading.grid_pos = schema.GridPos(h=1, w=_COLUMNS, x=0, y=top)
        skyline = [top + 1] * _COLUMNS
        inside = []
        for panel in row.panels:
            number += 1
            built = _panel(panel, runbooks).id(number).build()
            built.grid_pos = _fit(skyline, panel)
            inside.append(built)
        yield heading
        if row.is_collapsed:
            heading.panels = inside
            top += 1
        else:
            yield from inside
            top = max(skyline)


def _fit(skyline: list[int], panel: Panel) -> schema.GridPos:
    places = range(_COLUMNS - panel.width + 1)
    x = min(places, key=lambda place: (max(skyline[place : place + panel.width]), place))
    y = max(skyline[x : x + panel.width])
    skyline[x : x + panel.width] = [y + panel.height] * panel.width
    return schema.GridPos(h=panel.height, w=panel.width, x=x, y=y)


def _panel(panel: Panel, runbooks: str) -> PanelBuilder:
    built = _KINDS[panel.kind](panel)
    built.title(panel.title).description(panel.description).datasource(SOURCE)
    built.unit(panel.unit).no_value(panel.empty).thresholds(_thresholds(panel.limits))
    for letter, (legend, expr) in zip("ABCDEFGH", panel.queries.items(), strict=False):
        query = prometheus.Dataquery().datasource(SOURCE).ref_id(letter).expr(expr).legend_format(legend)
        built.with_target(query.range() if panel.kind == "chart" else query.instant())
    if panel.lowest is not None:
        built.min(panel.lowest)
    if panel.highest is not None:
        built.max(panel.highest)
    if panel.decimals is not None:
        built.decimals(panel.decimals)
    if panel.words:
        options = {str(value): schema.ValueMappingResult(text=text) for value, text in panel.words}
        built.mappings([schema.ValueMap(options=options)])
    if panel.runbook:
        link = dashboard.DashboardLink(f"Runbook: {panel.runbook}").type(schema.DashboardLinkType.LINK)
        built.links([link.url(f"{runbooks}#{panel.runbook.lower()}").target_blank(True)])
    return built


def _thresholds(limits: Limits) -> dashboard.ThresholdsConfig:
    steps = [schema.Threshold(value=None, color=limits.base)]
    steps += [schema.Threshold(value=value, color=colour) for value, colour in limits.steps]
    return dashboard.ThresholdsConfig().mode(schema.ThresholdsMode.ABSOLUTE).steps(steps)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _by_limits() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(schema.FieldColorModeId.THRESHOLDS)


def _stat(_: Panel) -> bigvalue.Panel:
    return (
        bigvalue.Panel()
        .color_scheme(_by_limits())
        .reduce_options(_last())
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE)
    )


def _bars(_: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .color_scheme(_by_limits())
        .reduce_options(_last())
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
    )


def _chart(panel: Panel) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .color_scheme(dashboard.FieldColor().mode(schema.FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
        .line_width(1 if panel.is_stacked else 2)
        .fill_opacity(40 if panel.is_stacked else 0)
        .show_points(looks.VisibilityMode.NEVER)
    )
    if panel.is_stacked:
        built.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    if panel.limits.steps:
        dashed = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        built.thresholds_style(dashed)
    for name in _known(panel):
        looks_of: dict[str, object] = {"color": {"mode": "fixed", "fixedColor": BY_NAME[name]}}
        if name in DASHED:
            looks_of["custom.lineStyle"] = {"fill": "dash", "dash": [6, 6]}
        built.override_by_name(
            name, [schema.DynamicConfigValue(id_val=what, value=value) for what, value in looks_of.items()]
        )
    return built


def _known(panel: Panel) -> Iterator[str]:
    """The names of lines that have a colour of their own."""
    for legend in panel.queries:
        label = re.search(r"{{(\w+)}}", legend)
        yield from [legend.replace(label[0], name) for name in OF_LABEL.get(label[1], ())] if label else [legend]


_KINDS: dict[str, Callable[[Panel], PanelBuilder]] = {"stat": _stat, "bars": _bars, "chart": _chart}
