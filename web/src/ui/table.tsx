// The table of queries: fixed rows, of which only those in sight are in the page. The grid itself scrolls, its head sticks.

import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import type { EventRow } from "../api.ts";
import { EMPTY, clock, dayClock, milliseconds, splitDomain } from "../lib/format.ts";
import { scrollTo, visibleRows } from "../lib/window.ts";
import { copyText } from "../lib/copy.ts";
import type { Extra } from "../lib/url.ts";
import type { FilterMode } from "../search/tokens.ts";
import { CodeName, Icon } from "./parts.tsx";

export const ROW_HEIGHT = 26;
/** More rows are asked for when this many are left below the window. */
const NEAR_END = 60;

interface Column {
  key: string;
  title: string;
  /** The field a click filters by, and its value; null where a cell cannot be filtered by. */
  field?: string;
  value?: (row: EventRow) => string | null;
  cell: (row: EventRow, long: boolean) => JSX.Element;
  number?: boolean;
}

function Domain(props: { row: EventRow }): JSX.Element {
  const parts = () => splitDomain(props.row.domain ?? "", props.row.reg_domain);
  return (
    <Show when={props.row.domain} fallback={<span class="faint">no question</span>}>
      {(domain) => (
        <span class="domain" title={domain()}>
          <span class="domain-head">{parts()[0]}</span>
          <span class="domain-tail">{parts()[1]}</span>
          <Show when={props.row.repeats > 0}>
            <span class="domain-more" title={`and ${props.row.repeats} more of the same kind in that second`}>
              {` +${props.row.repeats}`}
            </span>
          </Show>
        </span>
      )}
    </Show>
  );
}

function plain(text: string | null): JSX.Element {
  return text === null || text === "" ? <span class="faint">{EMPTY}</span> : text;
}

/** An upstream without what all of them share. */
function shortUpstream(name: string | null): string | null {
  return name === null ? null : name.replace(/^udp:\/\//, "").replace(/:53$/, "");
}

export const COLUMNS: Column[] = [
  {
    key: "time",
    title: "Time",
    cell: (row, long) => (long ? dayClock(Date.parse(row.time), "s") : clock(Date.parse(row.time), "ms")),
  },
  { key: "client", title: "Client", field: "client", value: (row) => row.client, cell: (row) => row.client },
  { key: "domain", title: "Domain", field: "domain", value: (row) => row.domain, cell: (row) => <Domain row={row} /> },
  {
    key: "type",
    title: "Type",
    field: "qtype",
    value: (row) => row.qtype,
    cell: (row) => (row.opcode === "QUERY" ? row.qtype : row.opcode),
  },
  {
    key: "code",
    title: "Code",
    field: "code",
    value: (row) => row.code ?? "",
    cell: (row) => (
      <>
        <CodeName name={row.code} family={row.code_family} />
        <span class="beside">
          {row.ede[0] === undefined
            ? row.code === null || row.outcome === "nodata"
              ? row.outcome
              : ""
            : `${row.ede[0].code} ${row.ede[0].name}`}
        </span>
      </>
    ),
  },
  {
    key: "action",
    title: "Action",
    field: "action",
    value: (row) => row.action,
    cell: (row) => (
      <>
        <span class={`action action-${row.action}`}>{row.action}</span>
        <span class="beside">{row.list ?? ""}</span>
      </>
    ),
  },
  {
    key: "latency",
    title: "Latency",
    number: true,
    cell: (row) => <span classList={{ slow: row.latency_ms >= 200 }}>{milliseconds(row.latency_ms)}</span>,
  },
  {
    key: "upstream",
    title: "Upstream",
    field: "upstream",
    value: (row) => row.upstream ?? "",
    cell: (row) => plain(shortUpstream(row.upstream)),
  },
  {
    key: "cache",
    title: "Cache",
    field: "cache",
    value: (row) => row.cache,
    cell: (row) => plain(row.cache === "none" ? null : row.cache),
  },
  { key: "answer", title: "Answer", cell: (row) => plain(row.answer) },
];

/** Columns one may ask for; they stand after the usual ones. */
export const EXTRA_COLUMNS: Record<Extra, Column & { width: string }> = {
  key: {
    key: "key",
    title: "Key",
    field: "key",
    value: (row) => row.key ?? "",
    cell: (row) => plain(row.key),
    width: "124px",
  },
  update: {
    key: "update",
    title: "Update",
    field: "update",
    value: (row) => row.update,
    cell: (row) => <span title={row.update ?? ""}>{plain(row.update)}</span>,
    width: "180px",
  },
  opcode: {
    key: "opcode",
    title: "Opcode",
    field: "opcode",
    value: (row) => row.opcode,
    cell: (row) => row.opcode,
    width: "70px",
  },
  transport: {
    key: "transport",
    title: "Transport",
    field: "transport",
    value: (row) => row.transport,
    cell: (row) => row.transport,
    width: "70px",
  },
};

export interface TableHandle {
  move: (by: number) => void;
  moveColumn: (by: number) => void;
  open: () => void;
  filter: (mode: FilterMode) => void;
  focus: () => void;
}

export interface TableProps {
  rows: EventRow[];
  extras?: readonly Extra[];
  /** Changes when the rows belong to another search: the table starts again from its top. */
  epoch: string;
  total: number;
  sel: string;
  /** Whether the range is long enough for days to matter. */
  long: boolean;
  dim: boolean;
  fresh: WeakSet<EventRow>;
  onOpen: (row: EventRow) => void;
  onFilter: (field: string, value: string, mode: FilterMode) => void;
  onNearEnd: () => void;
  handle: (handle: TableHandle) => void;
  /** What stands below the last row. */
  foot: JSX.Element;
}

interface CellTools {
  field: string;
  value: string;
  top: number;
  left: number;
}

/** Width of the three buttons; in cells narrower than twice that they stand outside, so that a click still meets the cell. */
const TOOLS_WIDTH = 74;
/** A pointer on its way elsewhere should not make buttons flash. */
const TOOLS_AFTER_MS = 150;

export function Table(props: TableProps): JSX.Element {
  let grid!: HTMLDivElement;
  let frame!: HTMLDivElement;
  const [top, setTop] = createSignal(0);
  const [height, setHeight] = createSignal(400);
  const [active, setActive] = createSignal<{ row: number; column: number }>({ row: -1, column: 2 });
  const [tools, setTools] = createSignal<CellTools | null>(null);

  const columns = createMemo<Column[]>(() => [...COLUMNS, ...(props.extras ?? []).map((one) => EXTRA_COLUMNS[one])]);
  /** Tracks and width of the columns asked for, for the style sheet to put after its own. */
  const extra = () => {
    const widths = (props.extras ?? []).map((one) => EXTRA_COLUMNS[one].width);
    return widths.length === 0
      ? {}
      : { "--extra": widths.join(" "), "--extra-width": `calc(${widths.map((one) => `${one} + 10px`).join(" + ")})` };
  };

  const bounds = createMemo(() => visibleRows(top(), height() - ROW_HEIGHT, ROW_HEIGHT, props.rows.length), [0, 0], {
    equals: (a, b) => a[0] === b[0] && a[1] === b[1],
  });
  const slice = createMemo(() => props.rows.slice(bounds()[0], bounds()[1]));

  onMount(() => {
    const observer = new ResizeObserver(() => setHeight(grid.clientHeight));
    observer.observe(grid);
    setHeight(grid.clientHeight);
    onCleanup(() => observer.disconnect());
  });
  createEffect(() => {
    if (props.rows.length - bounds()[1] < NEAR_END) props.onNearEnd();
  });
  createEffect(
    on(
      () => props.epoch,
      () => {
        grid.scrollTop = 0;
        setTop(0);
        setActive({ row: -1, column: 2 });
        setTools(null);
      },
      { defer: true },
    ),
  );

  // Rows put in front by the live tail must not move what one is reading.
  let firstSeen: { epoch: string; row: EventRow | undefined } = { epoch: "", row: undefined };
  createEffect(
    on(
      () => props.rows,
      (rows) => {
        const before = firstSeen;
        firstSeen = { epoch: props.epoch, row: rows[0] };
        if (before.row === undefined || before.epoch !== props.epoch || before.row === rows[0]) return;
        const added = rows.indexOf(before.row);
        if (added <= 0) return;
        setTools(null);
        setActive((at) => (at.row < 0 ? at : { ...at, row: at.row + added }));
        if (grid.scrollTop > 0) {
          grid.scrollTop += added * ROW_HEIGHT;
          setTop(grid.scrollTop);
        }
      },
    ),
  );

  const reveal = (row: number) => {
    const wanted = scrollTo(row, grid.scrollTop, grid.clientHeight - ROW_HEIGHT, ROW_HEIGHT);
    if (wanted !== grid.scrollTop) {
      grid.scrollTop = wanted;
      setTop(grid.scrollTop);
    }
  };
  const move = (by: number) => {
    if (props.rows.length === 0) return;
    const row = Math.max(0, Math.min(props.rows.length - 1, active().row + by));
    setActive((at) => ({ ...at, row }));
    reveal(row);
    const moved = props.rows[row];
    if (props.sel !== "" && moved !== undefined) props.onOpen(moved);
  };
  const moveColumn = (by: number) =>
    setActive((at) => ({ ...at, column: Math.max(0, Math.min(columns().length - 1, at.column + by)) }));
  const open = () => {
    const row = props.rows[active().row];
    if (row !== undefined) props.onOpen(row);
  };
  const filter = (mode: FilterMode) => {
    const row = props.rows[active().row];
    const column = columns()[active().column];
    const value = row === undefined ? null : (column?.value?.(row) ?? null);
    if (column?.field !== undefined && value !== null) props.onFilter(column.field, value, mode);
  };
  onMount(() => props.handle({ move, moveColumn, open, filter, focus: () => grid.focus() }));

  const page = () => Math.max(1, Math.floor(height() / ROW_HEIGHT) - 2);
  const key = (event: KeyboardEvent) => {
    if (event.target !== grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page(),
      PageUp: -page(),
      Home: -props.rows.length,
      End: props.rows.length,
    };
    const by = moves[event.key];
    if (by !== undefined) move(by);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") moveColumn(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "Enter") open();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const cellOf = (target: EventTarget | null): { row: number; column: number; element: HTMLElement } | null => {
    const element = target instanceof Element ? target.closest<HTMLElement>("[role=gridcell]") : null;
    const row = element?.parentElement?.dataset.index;
    if (element === null || row === undefined) return null;
    return { row: Number(row), column: Number(element.dataset.column), element };
  };
  const click = (event: MouseEvent) => {
    const at = cellOf(event.target);
    const row = at === null ? undefined : props.rows[at.row];
    if (at === null || row === undefined) return;
    setActive({ row: at.row, column: at.column });
    if (event.altKey) {
      event.preventDefault();
      filter(event.shiftKey ? "exclude" : "also");
    } else if (window.getSelection()?.isCollapsed !== false) props.onOpen(row);
  };
  let toolsTimer = 0;
  const noTools = () => {
    window.clearTimeout(toolsTimer);
    setTools(null);
  };
  onCleanup(() => window.clearTimeout(toolsTimer));
  const hover = (event: PointerEvent) => {
    if (event.pointerType !== "mouse") return;
    const at = cellOf(event.target);
    const row = at === null ? undefined : props.rows[at.row];
    const column = at === null ? undefined : columns()[at.column];
    const value = row === undefined ? null : (column?.value?.(row) ?? null);
    window.clearTimeout(toolsTimer);
    const field = column?.field;
    if (at === null || field === undefined || value === null) return setTools(null);
    if (tools()?.value !== value || tools()?.field !== field) setTools(null);
    toolsTimer = window.setTimeout(() => {
      if (!at.element.isConnected) return;
      const box = at.element.getBoundingClientRect();
      const outer = frame.getBoundingClientRect();
      const wanted = box.width >= 2 * TOOLS_WIDTH ? box.right - TOOLS_WIDTH : box.right - 4;
      setTools({
        field,
        value,
        top: box.top - outer.top,
        left: Math.min(wanted, outer.right - TOOLS_WIDTH - 4) - outer.left,
      });
    }, TOOLS_AFTER_MS);
  };

  return (
    <div class="table-frame" ref={frame} onPointerLeave={noTools}>
      <div
        class="grid"
        classList={{ dim: props.dim, long: props.long, extended: (props.extras?.length ?? 0) > 0 }}
        ref={grid}
        style={extra()}
        role="grid"
        aria-label="Queries, newest first"
        aria-rowcount={Math.max(props.total, props.rows.length) + 1}
        aria-colcount={columns().length}
        aria-activedescendant={
          active().row >= bounds()[0] && active().row < bounds()[1] ? `row-${active().row}` : undefined
        }
        tabindex="0"
        onScroll={() => {
          setTop(grid.scrollTop);
          noTools();
        }}
        onKeyDown={key}
        onClick={click}
        onPointerOver={hover}
      >
        <div role="rowgroup" class="grid-head">
          <div role="row" class="grid-row" aria-rowindex={1}>
            <For each={columns()}>
              {(column) => (
                <div role="columnheader" class={`col-${column.key}`} classList={{ number: column.number === true }}>
                  {column.title}
                </div>
              )}
            </For>
          </div>
        </div>
        <div role="rowgroup" class="grid-body" style={{ height: `${props.rows.length * ROW_HEIGHT}px` }}>
          <For each={slice()}>
            {(row, index) => {
              const at = () => bounds()[0] + index();
              return (
                <div
                  role="row"
                  class="grid-row"
                  classList={{
                    active: at() === active().row,
                    open: row.id === props.sel,
                    fresh: props.fresh.has(row),
                    blocked: row.action === "block",
                  }}
                  id={`row-${at()}`}
                  data-index={at()}
                  data-id={row.id}
                  aria-rowindex={at() + 2}
                  aria-selected={row.id === props.sel}
                  style={{ transform: `translateY(${at() * ROW_HEIGHT}px)` }}
                >
                  <For each={columns()}>
                    {(column, place) => (
                      <div
                        role="gridcell"
                        class={`col-${column.key}`}
                        classList={{
                          number: column.number === true,
                          here: at() === active().row && place() === active().column,
                        }}
                        data-column={place()}
                        aria-colindex={place() + 1}
                      >
                        {column.cell(row, props.long)}
                      </div>
                    )}
                  </For>
                </div>
              );
            }}
          </For>
        </div>
        {props.foot}
      </div>
      <Show when={tools()}>
        {(at) => (
          <div class="cell-tools" style={{ top: `${at().top}px`, left: `${at().left}px` }}>
            <button
              type="button"
              tabindex="-1"
              title="Keep to this  Alt+click"
              aria-label="Keep to this value"
              onClick={() => props.onFilter(at().field, at().value, "also")}
            >
              <Icon name="plus" />
            </button>
            <button
              type="button"
              tabindex="-1"
              title="Leave this out  Alt+Shift+click"
              aria-label="Leave this value out"
              onClick={() => props.onFilter(at().field, at().value, "exclude")}
            >
              <Icon name="minus" />
            </button>
            <button
              type="button"
              tabindex="-1"
              title="Copy"
              aria-label="Copy this value"
              onClick={() => void copyText(at().value)}
            >
              <Icon name="copy" />
            </button>
          </div>
        )}
      </Show>
    </div>
  );
}
