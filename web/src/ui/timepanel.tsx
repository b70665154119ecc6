// Counts over time: a stacked chart and, below it on the same axis, the heat strip with one row per value. One brush lies over
// both: move to read, click a cell for its events, drag for a range.

import { createEffect, createMemo, createSignal, For, Index, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import uPlot from "uplot";
import type { SeriesLine, SeriesReply } from "../api.ts";
import { lineShade, type Shade } from "../lib/codes.ts";
import { clock, compact, count, day, dayClock, duration, span } from "../lib/format.ts";
import { cellAt, cellSpan, edges, levels, opacity } from "../lib/strip.ts";
import { codeAbout } from "../lib/server.ts";
import { paint, scheme } from "../lib/theme.ts";
import { tickStep, ticks } from "../lib/time.ts";
import { Icon, Swatch } from "./parts.tsx";

/** Lines named in the tooltip; the rest are summed. */
const TOOLTIP_LINES = 7;

interface Line extends SeriesLine {
  shade: Shade;
}

/** What a line without a value is: for codes, queries that got no reply. */
export function lineName(by: string, value: string): string {
  return value !== "" ? value : by === "code" ? "no reply" : "none";
}

interface Gutters {
  left: number;
  right: number;
}

export interface TimePanelProps {
  series: SeriesReply;
  by: string;
  stack: boolean;
  strip: boolean;
  rowHeight: number;
  chartHeight: number;
  /** Whether rows without events are shown, dim. */
  zeros: boolean;
  hrefOf: (value: string) => string;
  /** A range was chosen; with a value when one cell of the strip was clicked. */
  onSelect: (from: number, to: number, value: string | null) => void;
  dim: boolean;
}

export function TimePanel(props: TimePanelProps): JSX.Element {
  let root!: HTMLDivElement;
  let plot!: HTMLDivElement;
  const [width, setWidth] = createSignal(0);
  const [cell, setCell] = createSignal<number | null>(null);
  const [row, setRow] = createSignal<number | null>(null);
  const [anchor, setAnchor] = createSignal<number | null>(null);

  const gutters = createMemo<Gutters>(() => (width() < 560 ? { left: 84, right: 52 } : { left: 100, right: 68 }));
  const plotWidth = () => Math.max(10, width() - gutters().left - gutters().right);
  const from = () => Date.parse(props.series.range.from);
  const to = () => Date.parse(props.series.range.to);
  const cells = () => props.series.starts.length;
  const lines = createMemo<Line[]>(() =>
    props.series.lines.map((line, index) => ({ ...line, shade: lineShade(props.by, line.value, line.family, index) })),
  );
  const stripLines = createMemo(() => lines().filter((line) => props.zeros || line.total > 0));

  onMount(() => {
    const observer = new ResizeObserver(() => setWidth(root.clientWidth));
    observer.observe(root);
    setWidth(root.clientWidth);
    onCleanup(() => observer.disconnect());
  });

  const rowAt = (clientY: number): number | null => {
    const canvas = root.querySelector<HTMLElement>(".strip-canvas");
    if (canvas === null) return null;
    const at = Math.floor((clientY - canvas.getBoundingClientRect().top) / props.rowHeight);
    return at >= 0 && at < stripLines().length ? at : null;
  };
  const cellUnder = (clientX: number) => {
    const box = plot.getBoundingClientRect();
    return cellAt((clientX - box.left) / Math.max(1, box.width), cells());
  };
  const choose = (a: number, b: number, value: string | null) => {
    const [first, last] = cellSpan(a, b, props.series.starts, props.series.step_ms, from(), to());
    props.onSelect(first, last, value);
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0 || cells() === 0) return;
    event.preventDefault();
    plot.focus({ preventScroll: true });
    plot.setPointerCapture(event.pointerId);
    setAnchor(cellUnder(event.clientX));
  };
  const move = (event: PointerEvent) => {
    if (cells() === 0) return;
    setCell(cellUnder(event.clientX));
    if (anchor() === null) setRow(rowAt(event.clientY));
  };
  const up = (event: PointerEvent) => {
    const start = anchor();
    if (start === null) return;
    setAnchor(null);
    const end = cellUnder(event.clientX);
    const line = start === end ? stripLines()[rowAt(event.clientY) ?? -1] : undefined;
    choose(start, end, line?.value ?? null);
  };
  const leave = () => {
    if (anchor() !== null) return;
    setCell(null);
    setRow(null);
  };
  const key = (event: KeyboardEvent) => {
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    const turn = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    const here = cell() ?? Math.floor(cells() / 2);
    if (step !== 0) {
      if (event.shiftKey && anchor() === null) setAnchor(here);
      if (!event.shiftKey) setAnchor(null);
      setCell(Math.max(0, Math.min(cells() - 1, here + step)));
    } else if (turn !== 0 && props.strip) {
      setRow(Math.max(0, Math.min(stripLines().length - 1, (row() ?? -1) + turn)));
    } else if (event.key === "Enter" && cell() !== null) {
      const start = anchor();
      setAnchor(null);
      choose(start ?? here, here, start === null ? (stripLines()[row() ?? -1]?.value ?? null) : null);
    } else if (event.key === "Escape" && (anchor() !== null || cell() !== null)) {
      setAnchor(null);
      setCell(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const summary = createMemo(() => {
    const total = lines().reduce((sum, line) => sum + line.total, 0);
    const most = [...lines()]
      .sort((a, b) => b.total - a.total)
      .slice(0, 3)
      .filter((line) => line.total > 0);
    const named = most.map((line) => `${lineName(props.by, line.value)} ${count(line.total)}`).join(", ");
    return `${count(total)} queries by ${props.by}, ${span(from(), to())}, in steps of ${duration(props.series.step_ms)}. ${named}.`;
  });

  return (
    <div
      class="timepanel"
      classList={{ dim: props.dim }}
      ref={root}
      style={{ "--gutter-left": `${gutters().left}px`, "--gutter-right": `${gutters().right}px` }}
    >
      <Show when={props.stack && width() > 0}>
        <Stack series={props.series} lines={lines()} width={width()} height={props.chartHeight} gutters={gutters()} />
      </Show>
      <Show when={props.strip}>
        <Strip
          lines={stripLines()}
          cells={cells()}
          width={plotWidth()}
          rowHeight={props.rowHeight}
          row={row()}
          by={props.by}
          hrefOf={props.hrefOf}
        />
      </Show>
      <Show when={!props.stack && props.strip}>
        <Axis
          from={props.series.starts[0] ?? from()}
          to={(props.series.starts[cells() - 1] ?? to()) + props.series.step_ms}
          width={plotWidth()}
        />
      </Show>
      <div
        class="brush"
        role="group"
        tabindex="0"
        ref={plot}
        aria-label={`${summary()} Arrow keys move, Shift and arrows select, Enter goes there.`}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={() => setAnchor(null)}
        onPointerLeave={leave}
        onKeyDown={key}
        onBlur={() => anchor() === null && leave()}
      >
        <Show when={cell() !== null}>
          <div class="mark-cell" style={{ left: `${(100 * (cell() ?? 0)) / cells()}%`, width: `${100 / cells()}%` }} />
        </Show>
        <Show when={anchor() !== null && cell() !== null}>
          <div
            class="mark-range"
            style={{
              left: `${(100 * Math.min(anchor() ?? 0, cell() ?? 0)) / cells()}%`,
              width: `${(100 * (Math.abs((anchor() ?? 0) - (cell() ?? 0)) + 1)) / cells()}%`,
            }}
          />
        </Show>
      </div>
      <Show when={cell() !== null}>
        <Tip
          by={props.by}
          series={props.series}
          lines={lines()}
          cell={cell() ?? 0}
          anchor={anchor()}
          focus={stripLines()[row() ?? -1]?.value ?? null}
          left={gutters().left + ((cell() ?? 0) + 0.5) * (plotWidth() / Math.max(1, cells()))}
          width={width()}
        />
      </Show>
      <p class="off-screen" aria-live="polite">
        {document.activeElement === plot && cell() !== null ? readCell(props.series, lines(), cell() ?? 0) : ""}
      </p>
    </div>
  );
}

function readCell(series: SeriesReply, lines: Line[], cell: number): string {
  const start = series.starts[cell] ?? 0;
  const parts = lines
    .filter((line) => (line.counts[cell] ?? 0) > 0)
    .map((line) => `${line.value} ${line.counts[cell] ?? 0}`);
  return `${dayClock(start)}: ${parts.length === 0 ? "nothing" : parts.join(", ")}`;
}

function axisLabel(at: number, step: number, first: boolean): string {
  const midnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0;
  if (step >= 86_400_000 || (midnight && step >= 3_600_000) || (first && step >= 3_600_000)) {
    return step >= 86_400_000 ? day(at) : midnight ? day(at) : clock(at, "m");
  }
  return clock(at, step < 60_000 ? "s" : "m");
}

function Axis(props: { from: number; to: number; width: number }): JSX.Element {
  const wanted = () => Math.max(2, Math.floor(props.width / 90));
  const marks = () => ticks(props.from, props.to, wanted());
  const step = () => tickStep(props.to - props.from, wanted());
  return (
    <div class="axis" aria-hidden="true">
      <For each={marks()}>
        {(at, index) => (
          <span style={{ left: `${(100 * (at - props.from)) / (props.to - props.from)}%` }}>
            {axisLabel(at, step(), index() === 0)}
          </span>
        )}
      </For>
    </div>
  );
}

/** The stacked chart. */
function Stack(props: {
  series: SeriesReply;
  lines: Line[];
  width: number;
  height: number;
  gutters: Gutters;
}): JSX.Element {
  let host!: HTMLDivElement;
  let chart: uPlot | undefined;

  const draw = () => {
    chart?.destroy();
    const { starts, step_ms: step } = props.series;
    const last = starts[starts.length - 1];
    if (last === undefined) return;
    const shown = props.lines.filter((line) => line.total > 0);
    const xs = [...starts, last + step];
    // Each line stands on those before it; painted from the tallest down, the ones below cover its foot.
    let base: number[] = xs.map(() => 0);
    const stacked = shown.map((line) => {
      base = xs.map((_, index) => (base[index] ?? 0) + (line.counts[Math.min(index, starts.length - 1)] ?? 0));
      return base;
    });
    const style = getComputedStyle(host);
    const ink = style.getPropertyValue("color");
    const grid = style.getPropertyValue("border-left-color");
    const font = `11px ${style.fontFamily}`;
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    const wanted = Math.max(2, Math.floor(props.width / 110));
    chart = new uPlot(
      {
        width: props.width,
        height: props.height,
        ms: 1,
        legend: { show: false },
        cursor: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        padding: [8, props.gutters.right, 0, 0],
        scales: {
          x: { time: true, range: () => [xs[0] ?? 0, last + step] },
          y: { range: (_, __, max) => [0, Math.max(1, max * 1.06)] },
        },
        axes: [
          {
            stroke: ink,
            font,
            size: 22,
            gap: 4,
            grid: { show: false },
            ticks: { show: false },
            splits: (_, __, min, max) => ticks(min, max, wanted),
            values: (u, marks) =>
              marks.map((at, index) =>
                axisLabel(at, tickStep((u.scales.x?.max ?? 0) - (u.scales.x?.min ?? 0), wanted), index === 0),
              ),
          },
          {
            stroke: ink,
            font,
            size: props.gutters.left,
            gap: 8,
            ticks: { show: false },
            grid: { stroke: grid, width: 1 },
            space: 26,
            values: (_, marks) => marks.map((mark) => (Number.isInteger(mark) ? compact(mark) : "")),
          },
        ],
        series: [
          {},
          ...shown
            .map((line) => ({
              fill: paint(line.shade),
              width: 0,
              points: { show: false },
              ...(stepped === undefined ? {} : { paths: stepped }),
            }))
            .reverse(),
        ],
      },
      [xs, ...stacked.reverse()],
      host,
    );
  };

  createEffect(on(() => [props.series, props.lines, props.width, props.height, scheme()], draw));
  onCleanup(() => chart?.destroy());
  return <div class="stack" ref={host} aria-hidden="true" />;
}

/** The heat strip: names and totals as text, cells on one canvas. */
function Strip(props: {
  lines: Line[];
  cells: number;
  width: number;
  rowHeight: number;
  row: number | null;
  by: string;
  hrefOf: (value: string) => string;
}): JSX.Element {
  let canvas!: HTMLCanvasElement;

  const draw = () => {
    const ratio = window.devicePixelRatio || 1;
    const height = props.lines.length * props.rowHeight;
    canvas.width = Math.max(1, Math.round(props.width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    canvas.style.width = `${props.width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    if (pen === null) return;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const xs = edges(props.cells, canvas.width);
    const wide = canvas.width / Math.max(1, props.cells) >= 3 * ratio;
    const gap = Math.max(1, Math.round(ratio));
    props.lines.forEach((line, row) => {
      const top = Math.round(row * props.rowHeight * ratio);
      const tall = Math.round((row + 1) * props.rowHeight * ratio) - top - 2 * gap;
      const level = levels(line.counts);
      pen.fillStyle = paint(line.shade);
      pen.globalAlpha = line.total === 0 ? 0.05 : 0.09;
      pen.fillRect(0, top + gap, canvas.width, tall);
      for (let at = 0; at < props.cells; at += 1) {
        const shade = level[at] ?? 0;
        if (shade === 0) continue;
        const x = xs[at] ?? 0;
        pen.globalAlpha = opacity(shade);
        pen.fillRect(x, top + gap, Math.max(1, (xs[at + 1] ?? x) - x - (wide ? gap : 0)), tall);
      }
    });
  };
  createEffect(on(() => [props.lines, props.cells, props.width, props.rowHeight, scheme()], draw));

  return (
    <div class="strip" style={{ "--row": `${props.rowHeight}px` }}>
      <ul class="strip-names">
        <Index each={props.lines}>
          {(line, index) => (
            <li>
              <a
                class="strip-row"
                classList={{ zero: line().total === 0, marked: props.row === index }}
                href={props.hrefOf(line().value)}
                title={`${props.by === "code" ? codeAbout(line().value) : lineName(props.by, line().value)} ${count(line().total)} queries`}
              >
                <span class="strip-name">{lineName(props.by, line().value)}</span>
                <span class="strip-total">{compact(line().total)}</span>
              </a>
            </li>
          )}
        </Index>
      </ul>
      <canvas class="strip-canvas" ref={canvas} aria-hidden="true" />
    </div>
  );
}

/** What the cell under the pointer holds. */
function Tip(props: {
  by: string;
  series: SeriesReply;
  lines: Line[];
  cell: number;
  anchor: number | null;
  focus: string | null;
  left: number;
  width: number;
}): JSX.Element {
  const first = () => Math.min(props.cell, props.anchor ?? props.cell);
  const last = () => Math.max(props.cell, props.anchor ?? props.cell);
  const sum = (line: Line) => line.counts.slice(first(), last() + 1).reduce((total, one) => total + one, 0);
  const counted = createMemo(() =>
    props.lines
      .map((line) => ({ line, total: sum(line) }))
      .filter((one) => one.total > 0 || one.line.value === props.focus)
      .sort((a, b) => Number(b.line.value === props.focus) - Number(a.line.value === props.focus) || b.total - a.total),
  );
  const start = () => props.series.starts[first()] ?? 0;
  const end = () => (props.series.starts[last()] ?? 0) + props.series.step_ms;
  const rest = () =>
    counted()
      .slice(TOOLTIP_LINES)
      .reduce((total, one) => total + one.total, 0);
  return (
    <div
      class="tip"
      classList={{ flip: props.left > props.width / 2 }}
      style={{ left: `${props.left}px` }}
      aria-hidden="true"
    >
      <div class="tip-time">{span(start(), end())}</div>
      <Show when={counted().length > 0} fallback={<div class="muted">Nothing</div>}>
        <For each={counted().slice(0, TOOLTIP_LINES)}>
          {(one) => (
            <div class="tip-line" classList={{ strong: one.line.value === props.focus }}>
              <Swatch shade={one.line.shade} /> <span>{lineName(props.by, one.line.value)}</span>{" "}
              <b>{count(one.total)}</b>
            </div>
          )}
        </For>
        <Show when={rest() > 0}>
          <div class="tip-line muted">
            <span class="swatch none" /> <span>others</span> <b>{count(rest())}</b>
          </div>
        </Show>
      </Show>
      <Show when={props.anchor !== null}>
        <div class="tip-hint">
          <Icon name="clock" />
          {duration(end() - start())}
        </div>
      </Show>
    </div>
  );
}

/** The same counts as a table, for those who read rather than look. */
export function SeriesTable(props: { series: SeriesReply; by: string }): JSX.Element {
  const busiest = (line: SeriesLine) => {
    const most = Math.max(...line.counts, 0);
    return most === 0 ? "" : `${dayClock(props.series.starts[line.counts.indexOf(most)] ?? 0)} (${count(most)})`;
  };
  return (
    <table class="plain-table">
      <caption class="off-screen">Queries by {props.by}</caption>
      <thead>
        <tr>
          <th scope="col">{props.by}</th>
          <th scope="col" class="number">
            Queries
          </th>
          <th scope="col">Most at</th>
        </tr>
      </thead>
      <tbody>
        <For each={props.series.lines.filter((line) => line.total > 0)}>
          {(line) => (
            <tr>
              <th scope="row">{lineName(props.by, line.value)}</th>
              <td class="number">{count(line.total)}</td>
              <td>{busiest(line)}</td>
            </tr>
          )}
        </For>
      </tbody>
    </table>
  );
}
