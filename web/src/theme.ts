// Colours and shapes. What is written on what is kept at a contrast of 4.5 and more, also where
// Mantine's own greys are lighter.

import { type CSSVariablesResolver, type MantineColorsTuple, createTheme } from "@mantine/core";

const brand: MantineColorsTuple = [
  "#eef0fd",
  "#dcdff8",
  "#b9bff0",
  "#a3abf0",
  "#8791ea",
  "#6470de",
  "#4c58d0",
  "#3b49c4",
  "#2f3ba3",
  "#252f83",
];

/** Yes. White on it has a contrast of 5 and more in every shade that is filled. */
const go: MantineColorsTuple = [
  "#e6f6ea",
  "#cdebd5",
  "#a0d9b0",
  "#6fc488",
  "#43ad64",
  "#2b8f4b",
  "#237a3f",
  "#1d6b36",
  "#175a2d",
  "#124a24",
];

/** From text to ground, a little blue as everything here. */
const dark: MantineColorsTuple = [
  "#e6e8ee",
  "#c3c8d4",
  "#a3a9b8",
  "#7d8496",
  "#464c5b",
  "#363b48",
  "#242833",
  "#1b1e26",
  "#15171d",
  "#0f1116",
];

export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 7, dark: 7 },
  colors: { brand, go, dark },
  defaultRadius: "md",
  fontFamily: 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, monospace',
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Modal: { defaultProps: { overlayProps: { backgroundOpacity: 0.45, blur: 2 } } },
    Button: { defaultProps: { radius: "md" } },
    Select: { defaultProps: { allowDeselect: false, checkIconPosition: "right" } },
  },
});

export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f6f7fa",
    "--mantine-color-dimmed": "#535b6b",
    "--mantine-color-placeholder": "#69707f",
    "--mantine-color-text": "#1a1d26",
    "--mantine-color-anchor": "#3b49c4",
    "--mantine-color-error": "#c01c28",
    "--card": "#ffffff",
    "--line": "#e2e5ec",
    "--soft": "#eef0f5",
  },
  dark: {
    "--mantine-color-body": "#13151b",
    "--mantine-color-dimmed": "#a3a9b8",
    "--mantine-color-placeholder": "#8d94a5",
    "--mantine-color-text": "#e6e8ee",
    "--mantine-color-anchor": "#a3abf0",
    "--mantine-color-error": "#ff8f8f",
    "--mantine-color-brand-light": "rgb(122 134 240 / 16%)",
    "--mantine-color-brand-light-hover": "rgb(122 134 240 / 24%)",
    "--mantine-color-brand-light-color": "#b9bff0",
    "--card": "#1b1e26",
    "--line": "#2d313c",
    "--soft": "#242833",
  },
});
