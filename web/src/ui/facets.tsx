// The facet column: what the found queries have in common, and one click to keep to it or leave it out.

import { createMemo, For, Index, Show, type JSX } from "solid-js";
import type { Count, Facet, FacetsReply } from "../api.ts";
import { codeShade } from "../lib/codes.ts";
import { compact, count } from "../lib/format.ts";
import { canonical, codeAbout, edes } from "../lib/server.ts";
import { selection, valueText, type FilterMode } from "../search/tokens.ts";
import { Icon, Swatch } from "./parts.tsx";

export const FACETS: { field: string; title: string; open: boolean }[] = [
  { field: "code", title: "Return code", open: true },
  { field: "action", title: "Action", open: true },
  { field: "qtype", title: "Type", open: true },
  { field: "client", title: "Client", open: true },
  { field: "list", title: "List", open: true },
  { field: "reg_domain", title: "Registrable domain", open: false },
  { field: "upstream", title: "Upstream", open: false },
  { field: "cache", title: "Cache", open: false },
  { field: "outcome", title: "Outcome", open: false },
  { field: "transport", title: "Transport", open: false },
  { field: "opcode", title: "Opcode", open: false },
  { field: "ede", title: "Extended error", open: false },
  { field: "key", title: "Key", open: false },
];

export interface FacetsProps {
  reply: FacetsReply | undefined;
  q: string;
  open: ReadonlySet<string>;
  onOpen: (field: string, open: boolean) => void;
  onFilter: (field: string, value: string, mode: FilterMode) => void;
}

export function Facets(props: FacetsProps): JSX.Element {
  return (
    <For each={FACETS}>
      {(one) => (
        <details
          class="facet"
          open={props.open.has(one.field)}
          onToggle={(event) => props.onOpen(one.field, event.currentTarget.open)}
        >
          <summary>
            {one.title}
            <Icon name="down" />
          </summary>
          <Show when={props.reply?.facets.find((facet) => facet.field === one.field)}>
            {(facet) => <FacetValues facet={facet()} q={props.q} onFilter={props.onFilter} />}
          </Show>
        </details>
      )}
    </For>
  );
}

function FacetValues(props: { facet: Facet; q: string; onFilter: FacetsProps["onFilter"] }): JSX.Element {
  const chosen = createMemo(() => selection(props.q, props.facet.field, canonical));
  return (
    <ul class="facet-values" classList={{ codes: props.facet.field === "code" }}>
      <Index each={props.facet.values}>
        {(one) => <FacetValue facet={props.facet.field} one={one()} chosen={chosen()} onFilter={props.onFilter} />}
      </Index>
      <Show when={props.facet.other > 0}>
        <li class="facet-other muted">
          <span>others</span>
          <span>{compact(props.facet.other)}</span>
        </li>
      </Show>
      <Show when={props.facet.values.length === 0}>
        <li class="facet-other muted">none</li>
      </Show>
    </ul>
  );
}

function FacetValue(props: {
  facet: string;
  one: Count;
  chosen: { only: Set<string>; excluded: Set<string> };
  onFilter: FacetsProps["onFilter"];
}): JSX.Element {
  const key = () => valueText(props.one.value).toLowerCase();
  const only = () => props.chosen.only.has(key());
  const excluded = () => props.chosen.excluded.has(key());
  const name = () => (props.one.value === "" ? "none" : props.one.value.replace(/^"(.*)"$/, "$1"));
  const label = () => {
    if (props.facet === "code" && props.one.value === "") return "no reply";
    const ede = props.facet === "ede" ? edes().find((one) => String(one.number) === props.one.value) : undefined;
    return ede === undefined ? name() : `${ede.number} ${ede.name}`;
  };
  const click = (event: MouseEvent) => {
    const mode = event.altKey ? "exclude" : event.shiftKey || event.ctrlKey || event.metaKey ? "also" : "only";
    props.onFilter(props.facet, props.one.value, mode);
  };
  return (
    <li class="facet-value" classList={{ zero: props.one.count === 0, only: only(), excluded: excluded() }}>
      <button
        type="button"
        class="facet-only"
        data-value={props.one.value}
        aria-pressed={only()}
        title={`${props.facet === "code" ? `${codeAbout(props.one.value)}\n` : ""}Only ${name()}.  Shift: as well.  Alt: without.`}
        onClick={click}
      >
        <Show when={props.facet === "code"}>
          <Swatch shade={codeShade(props.one.value, props.one.family)} hollow={props.one.value === ""} />
          <span class="facet-number">{props.one.number ?? ""}</span>
        </Show>
        <span class="facet-name">{label()}</span>
        <span class="facet-count">{count(props.one.count)}</span>
      </button>
      <button
        type="button"
        class="facet-without"
        aria-pressed={excluded()}
        title={`Without ${name()}`}
        aria-label={`Without ${name()}`}
        onClick={() => props.onFilter(props.facet, props.one.value, "exclude")}
      >
        <Icon name="minus" />
      </button>
    </li>
  );
}
