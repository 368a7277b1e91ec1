// The few signs of this application, drawn with one pen.

const PATHS = {
  home: "M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-4v-6H9v6H5a1 1 0 0 1-1-1z",
  door: "M6 20V5.5a1 1 0 0 1 .8-1l8-1.5a1 1 0 0 1 1.2 1V20M3.5 20h17M13 12v1",
  list: "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
  terminal: "m5 8 4 4-4 4M12 16h7",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3.5 9h17M3.5 15h17M12 3c2.5 2.6 3.5 5.6 3.5 9s-1 6.4-3.5 9c-2.5-2.6-3.5-5.6-3.5-9S9.500 5.600 12 3",
  monitor: "M4 5h16v11H4zM9 20h6M12 16v4",
  play: "M8 5.500v13l10.500-6.500z",
  shield: "M12 3.500 5 6v5.500c0 4.200 2.800 7.300 7 9 4.200-1.700 7-4.800 7-9V6zM9 12l2.200 2.200L15.200 10",
  chart: "M5 20V11M12 20V4M19 20v-6",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.200 2.200M16.200 16.200l2.200 2.200M18.400 5.600l-2.200 2.200M7.800 16.200l-2.200 2.200",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M5 20c.600-3.500 3.300-5.500 7-5.500s6.400 2 7 5.500",
  users: "M9 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M3 19.500c.500-3 2.800-4.700 6-4.700s5.500 1.700 6 4.700M16 5.500a3.300 3.300 0 0 1 0 6.400M17.500 15c2 .600 3.200 2.200 3.500 4.500",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10",
  exit: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  check: "m5 12.500 4.500 4.500L19 7.500",
  cross: "M6 6l12 12M18 6 6 18",
  search: "M11 4.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M20 20l-4.300-4.300",
  clock: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 7.500V12l3 2",
  plus: "M12 5v14M5 12h14",
  right: "m9 5 7 7-7 7",
  down: "m5 9 7 7 7-7",
  up: "m5 15 7-7 7 7",
  open: "M14 4h6v6M20 4l-9 9M18 14v5H5V6h5",
  warn: "M12 4 2.800 20h18.400zM12 10v4.500M12 17.300h.01",
  info: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M12 11v5M12 8h.01",
  key: "M8 10.500a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12l8.500-8.500M16 7l2.500 2.500M13.500 9.500l1.500 1.500",
  server: "M4 4h16v7H4zM4 13h16v7H4zM7.500 7.500h.01M7.500 16.500h.01",
  rules: "M6 3.500h12v17H6zM9 8h6M9 12h6M9 16h3",
  download: "M12 4v11M7.500 11 12 15.500 16.500 11M5 20h14",
  stop: "M7 7h10v10H7z",
  send: "M20.500 3.500 10 14M20.500 3.500 14 20.500 10 14 3.500 10z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
} as const;

export type Sign = keyof typeof PATHS;

/** Beside a text that says the same; where it stands alone whoever holds it is named. */
export function Icon({ sign, size = 18 }: { sign: Sign; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[sign]} />
    </svg>
  );
}

/** What a target speaks. */
export function protocolSign(protocol: string | undefined): Sign {
  if (protocol === "web") return "globe";
  return protocol === "rdp" ? "monitor" : "terminal";
}
