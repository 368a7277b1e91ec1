import "@mantine/core/styles.css";
import "./theme.css";

import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";

import { Failure } from "./api/client";
import { App } from "./shell/App";
import { resolver, theme } from "./theme";

// The one number with which this answer of the gateway lets styles be added.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";
setNonce(nonce);

const client = new QueryClient({
  defaultOptions: {
    // What the browser believes of its network is not asked: the gateway may be on this machine.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      // Changes are told by the event stream; this is for the rest.
      staleTime: 15_000,
      retry: (tries, error) => error instanceof Failure && (error.status === 0 || error.status >= 500) && tries < 3,
      retryDelay: (tries) => Math.min(1_000 * 2 ** tries, 8_000),
    },
  },
});

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce} cssVariablesResolver={resolver}>
      <QueryClientProvider client={client}>
        <BrowserRouter>
          <App />
        </BrowserRouter>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
