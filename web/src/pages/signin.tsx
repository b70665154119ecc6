// Who are you? Asks for the token the server printed when it started.

import { createSignal, Show, type JSX } from "solid-js";
import { api } from "../api.ts";
import { toApiError } from "../lib/query.ts";
import { Mark } from "../ui/parts.tsx";

export function SignIn(props: { onDone: () => void; fault?: string }): JSX.Element {
  const [token, setToken] = createSignal("");
  const [fault, setFault] = createSignal(props.fault ?? "");
  const [busy, setBusy] = createSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFault("");
    try {
      await api.signIn(token().trim());
      props.onDone();
    } catch (reason) {
      const error = toApiError(reason);
      setFault(
        error.status === 401 || error.status === 403
          ? "That is not the current token. Each works once; the console shows the next."
          : `${error.title}: ${error.detail}`,
      );
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="signin">
      <form onSubmit={(event) => void submit(event)}>
        <div class="signin-brand">
          <Mark />
          <h1>Nameward</h1>
        </div>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          value={token()}
          aria-invalid={fault() !== ""}
          aria-describedby="token-about"
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <p id="token-about" class="muted">
          It is printed on the console where <code>nameward</code> was started.
        </p>
        <Show when={fault() !== ""}>
          <p class="note level-fail" role="alert">
            {fault()}
          </p>
        </Show>
        <button type="submit" class="button primary" disabled={busy() || token().trim() === ""}>
          {busy() ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
