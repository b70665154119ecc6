import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

// Where `npm run dev` finds the API; the mock server of `npm run mock` listens there too.
const api = process.env.NAMEWARD_API ?? "http://127.0.0.1:8053";

export default defineConfig({
  plugins: [solid()],
  build: {
    // The first versions with `light-dark()` and `popover`; older targets would have the style sheet rewritten around them.
    target: ["chrome123", "firefox128", "safari17.5"],
    // The page's policy is `default-src 'self'`: nothing may become a `data:` address or an inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: { "/api": { target: api } } },
});
