// The shell: bar, pages, sign-in, keys that work everywhere.

import { createSignal, Match, onCleanup, onMount, Show, Switch, type JSX } from "solid-js";
import { api } from "./api.ts";
import { toApiError } from "./lib/query.ts";
import { fresh, go, route } from "./lib/router.ts";
import { session, setSession, status } from "./lib/server.ts";
import { setTheme, theme, THEMES } from "./lib/theme.ts";
import { CodePage } from "./pages/code.tsx";
import { Codes } from "./pages/codes.tsx";
import { Log } from "./pages/log.tsx";
import { Overview } from "./pages/overview.tsx";
import { SignIn } from "./pages/signin.tsx";
import { Health } from "./ui/health.tsx";
import { Help, isForPage } from "./ui/keys.tsx";
import { Icon, Mark } from "./ui/parts.tsx";

/** Takes a token from the address, once, and leaves no trace of it there. */
async function tokenFromAddress(): Promise<string> {
  const params = new URLSearchParams(window.location.search);
  const token = params.get("token");
  if (token === null) return "";
  params.delete("token");
  const rest = params.toString();
  window.history.replaceState(null, "", window.location.pathname + (rest === "" ? "" : `?${rest}`));
  try {
    await api.signIn(token);
    return "";
  } catch (reason) {
    const error = toApiError(reason);
    return error.status === 401 || error.status === 403
      ? "The token in the address is not the current one: each works once. The console shows the next."
      : `${error.title}: ${error.detail}`;
  }
}

export function App(): JSX.Element {
  const [fault, setFault] = createSignal("");
  const [help, setHelp] = createSignal(false);
  onMount(() => {
    void tokenFromAddress().then((problem) => {
      setFault(problem);
      // An old link may still meet a live session; if it does not, the first request says so.
      setSession("in");
    });
    let lead = false;
    const key = (event: KeyboardEvent) => {
      if (!isForPage(event)) return;
      if (lead) {
        lead = false;
        if (event.key === "o") go({ page: "overview", sel: "", live: false });
        if (event.key === "q") go({ page: "log" });
        if (event.key === "c") go({ page: "codes", sel: "", live: false });
      } else if (event.key === "g") lead = true;
      else if (event.key === "?") setHelp(true);
    };
    document.addEventListener("keydown", key);
    onCleanup(() => document.removeEventListener("keydown", key));
  });
  return (
    <Show when={session() !== "starting"}>
      <Show
        when={session() === "in"}
        fallback={
          <SignIn
            fault={fault()}
            onDone={() => {
              setFault("");
              setSession("in");
            }}
          />
        }
      >
        <a
          class="skip"
          href="#main"
          onClick={(event) => {
            event.preventDefault();
            document.getElementById("main")?.focus();
          }}
        >
          Skip to the content
        </a>
        <Bar onHelp={() => setHelp(true)} />
        <Banner />
        <Switch fallback={<Missing />}>
          <Match when={route().page === "overview"}>
            <Overview />
          </Match>
          <Match when={route().page === "log"}>
            <Log />
          </Match>
          <Match when={route().page === "codes"}>
            <Codes />
          </Match>
          <Match when={route().page === "code" && route().code} keyed>
            {(code) => <CodePage code={code} />}
          </Match>
        </Switch>
        <Show when={help()}>
          <Help onClose={() => setHelp(false)} />
        </Show>
      </Show>
    </Show>
  );
}

function Bar(props: { onHelp: () => void }): JSX.Element {
  const range = () => ({ from: route().from, to: route().to });
  const next = () => THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? "auto";
  const icon = () => (theme() === "light" ? "sun" : theme() === "dark" ? "moon" : "auto");
  return (
    <header class="bar-top">
      <a class="brand" href={fresh({ page: "overview" })}>
        <Mark />
        Nameward
      </a>
      <nav aria-label="Pages">
        <a
          href={fresh({ page: "overview", ...range() })}
          aria-current={route().page === "overview" ? "page" : undefined}
        >
          Overview
        </a>
        <a href={fresh({ page: "log", ...range() })} aria-current={route().page === "log" ? "page" : undefined}>
          <span class="nav-long">Query log</span>
          <span class="nav-short">Log</span>
        </a>
        <a
          href={fresh({ page: "codes", ...range() })}
          aria-current={route().page === "codes" ? "page" : route().page === "code" ? "true" : undefined}
        >
          <span class="nav-long">Return codes</span>
          <span class="nav-short">Codes</span>
        </a>
      </nav>
      <div class="bar-tools">
        <Health />
        <button
          type="button"
          class="icon-button wide-only"
          title="Keys  ?"
          aria-label="Keyboard help"
          onClick={() => props.onHelp()}
        >
          <Icon name="help" />
        </button>
        <button
          type="button"
          class="icon-button"
          title={`Theme: ${theme()}`}
          aria-label={`Theme is ${theme()}, change to ${next()}`}
          onClick={() => setTheme(next())}
        >
          <Icon name={icon()} />
        </button>
      </div>
    </header>
  );
}

/** What must not be overlooked. */
function Banner(): JSX.Element {
  return (
    <Show when={status.data()?.log.stopped}>
      {(why) => (
        <div class="banner level-fail" role="alert">
          <b>The log is not being written.</b> {why()} Queries are still answered.
        </div>
      )}
    </Show>
  );
}

function Missing(): JSX.Element {
  return (
    <main id="main" class="missing" tabindex="-1">
      <h1>There is no such page</h1>
      <p>
        <a href={fresh({ page: "overview" })}>To the overview</a>
      </p>
    </main>
  );
}
