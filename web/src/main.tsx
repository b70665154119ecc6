import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "solid-js/web";
import { App } from "./app.tsx";
import { startRouter } from "./lib/router.ts";

const root = document.getElementById("app");
if (root !== null) {
  startRouter();
  render(() => <App />, root);
}
