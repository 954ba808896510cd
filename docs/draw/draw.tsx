// Draws one dashboard with Grafana's own components, from its file and a Prometheus: window.job says which.
import { createRoot } from 'react-dom/client';
import {
  createTheme, DataFrame, Field, FieldType, getDisplayProcessor, ThemeContext, toDataFrame, VizOrientation,
} from '@grafana/data';
import {
  BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, BigValueTextMode, GlobalStyles, PanelChrome,
  PortalContainer, TimeSeries,
} from '@grafana/ui';
import { BarGaugeDisplayMode, LegendDisplayMode } from '@grafana/schema';

interface Job { board: any; prometheus: string; end: number; hours: number; width: number }
const job: Job = (window as any).job;
const theme = createTheme({ colors: { mode: 'dark' } });
const ROW = 38, GAP = 8, COLUMN = (job.width - GAP) / 24, STEP = 15;
const start = job.end - job.hours * 3600;

// All variables say all.
const filled = (expr: string) => expr
  .replaceAll('$__rate_interval', '60s').replaceAll('$__range', `${job.hours * 3600}s`)
  .replace(/\$(\w+)|\$\{(\w+)\}/g, '.*');

async function ask(target: any): Promise<any[]> {
  const span = target.instant ? { time: job.end } : { start, end: job.end, step: STEP };
  const body = new URLSearchParams({ query: filled(target.expr), ...span } as any);
  const answer = await fetch(`${job.prometheus}/api/v1/query${target.instant ? '' : '_range'}`, { method: 'POST', body });
  const { data, error } = await answer.json();
  if (error) { throw new Error(`${target.expr}: ${error}`); }
  return data.result;
}

// A series as Grafana's data source hands it to a panel; times that were not scraped are gaps.
function toFrame(series: any, target: any, panel: any, index: number): DataFrame {
  const name = target.legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_: string, label: string) => series.metric[label] ?? '');
  const pairs: Array<[number, string]> = series.values ?? [series.value];
  const known = new Map(pairs.map(([at, value]) => [Math.round(at), Number(value)]));
  const times = series.values
    ? Array.from({ length: (job.hours * 3600) / STEP + 1 }, (_, step) => Math.round(start) + step * STEP)
    : [Math.round(pairs[0][0])];
  const { defaults, overrides } = panel.fieldConfig;
  const own = overrides.filter((override: any) => override.matcher.options === name);
  const changed = Object.fromEntries(own.flatMap((o: any) => o.properties.map((p: any) => [p.id, p.value])));
  const custom = {
    drawStyle: 'line', lineInterpolation: 'linear', gradientMode: 'none', pointSize: 5, axisPlacement: 'auto',
    axisColorMode: 'text', scaleDistribution: { type: 'linear' }, spanNulls: false,
    ...defaults.custom,
    stacking: { mode: 'none', group: 'A', ...defaults.custom?.stacking },
    lineStyle: changed['custom.lineStyle'] ?? { fill: 'solid' },
  };
  const config = { ...defaults, mappings: defaults.mappings ?? [], displayName: name, custom, ...changed };
  const frame = toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: times.map((at) => at * 1000), config: {} },
      { name: 'Value', type: FieldType.number, values: times.map((at) => known.get(at) ?? null), config },
    ],
  });
  const field = frame.fields[1] as Field;
  field.state = { seriesIndex: index, displayName: name };
  frame.fields.forEach((each) => { each.display = getDisplayProcessor({ field: each, theme, timeZone: 'utc' }); });
  return frame;
}

function Nothing({ panel }: { panel: any }) {
  return <div style={{ color: theme.colors.text.secondary, textAlign: 'center', paddingTop: 16 }}>{panel.fieldConfig.defaults.noValue}</div>;
}

function Drawn({ panel, frames, width, height }: { panel: any; frames: DataFrame[]; width: number; height: number }) {
  if (!frames.length) { return <Nothing panel={panel} />; }
  const shown = frames.map(({ fields }) => {
    const field = fields[1];
    return { field, value: { ...field.display!(field.values[field.values.length - 1]), title: field.state!.displayName! } };
  });
  const [{ value }] = shown;
  switch (panel.type) {
    case 'stat':
      return <BigValue theme={theme} width={width} height={height} value={{ ...value, title: undefined }}
        colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.None} textMode={BigValueTextMode.Value} />;
    case 'bargauge':
      return <>{shown.map((one, index) => <BarGauge key={index} theme={theme} width={width} height={height / shown.length - 4}
        value={one.value} field={one.field.config} display={one.field.display} orientation={VizOrientation.Horizontal}
        displayMode={BarGaugeDisplayMode.Basic} alignmentFactors={{ title: 'xxxxxxxxxxxx', text: '100.0%' }} />)}</>;
    default:
      return <TimeSeries frames={frames} width={width} height={height} timeZone="utc"
        timeRange={{ from: moment(start), to: moment(job.end), raw: { from: 'now-1h', to: 'now' } } as any}
        legend={{ ...panel.options.legend, displayMode: LegendDisplayMode.List }} options={{}} />;
  }
}

const moment = (at: number) => ({ valueOf: () => at * 1000 });

function Board({ answers }: { answers: Map<any, DataFrame[]> }) {
  return <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <div style={{ position: 'relative', background: theme.colors.background.canvas, width: job.width, height: tall() }}>
      {laidOut().map(({ panel, x, y, w, h }, index) => {
        const width = w * COLUMN - GAP, height = h * ROW - GAP;
        const place = { position: 'absolute' as const, left: x * COLUMN + GAP, top: y * ROW + GAP, width, height };
        return panel.type === 'row'
          ? <div key={index} style={{ ...place, ...theme.typography.h5, color: theme.colors.text.primary }}>{panel.title}</div>
          : <div key={index} style={place}><PanelChrome title={panel.title} width={width} height={height}>
              {(inner: number, deep: number) => <Drawn panel={panel} frames={answers.get(panel)!} width={inner} height={deep} />}
            </PanelChrome></div>;
      })}
    </div>
    <PortalContainer />
  </ThemeContext.Provider>;
}

// Collapsed rows are opened.
function laidOut() {
  const found: Array<{ panel: any; x: number; y: number; w: number; h: number }> = [];
  let opened = 0;
  for (const panel of job.board.panels) {
    found.push({ panel, ...panel.gridPos, y: panel.gridPos.y + opened });
    if (panel.panels?.length) {
      found.push(...panel.panels.map((inner: any) => ({ panel: inner, ...inner.gridPos, y: inner.gridPos.y + opened })));
      opened += Math.max(...panel.panels.map((inner: any) => inner.gridPos.y + inner.gridPos.h)) - panel.gridPos.y - 1;
    }
  }
  return found;
}

const tall = () => Math.max(...laidOut().map(({ y, h }) => y + h)) * ROW + GAP;

async function main() {
  const answers = new Map<any, DataFrame[]>();
  for (const { panel } of laidOut().filter((place) => place.panel.type !== 'row')) {
    let index = 0;
    const found = [];
    for (const target of panel.targets) {
      for (const series of await ask(target)) { found.push(toFrame(series, target, panel, index++)); }
    }
    answers.set(panel, found);
  }
  createRoot(document.getElementById('page')!).render(<Board answers={answers} />);
  document.title = `drawn ${tall()}`;
}

main().catch((error) => { document.title = `failed ${error}`; document.body.textContent = String(error.stack); });
