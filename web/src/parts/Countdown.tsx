// How long something still lasts, second by second.

import { Progress, Text } from "@mantine/core";
import { useEffect, useState } from "react";

import { exactly, gatewayNow, left } from "../text/time";

/** The gateway's time, anew each second. */
export function useNow(): number {
  const [now, setNow] = useState(gatewayNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(gatewayNow()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function Countdown({ until, prefix = "", over = "over" }: { until: string; prefix?: string; over?: string }) {
  const rest = Date.parse(until) - useNow();
  return (
    <Text span inherit className="numbers" title={exactly(until)}>
      {rest > 0 ? `${prefix}${left(rest)}` : over}
    </Text>
  );
}

/** The same as a bar that grows shorter, red in the last tenth. */
export function TimeBar({ from, until, label }: { from: string; until: string; label: string }) {
  const now = useNow();
  const whole = Date.parse(until) - Date.parse(from);
  const rest = Math.max(0, Math.min(1, (Date.parse(until) - now) / Math.max(1, whole)));
  return (
    <Progress.Root size={6} radius="xl">
      <Progress.Section value={rest * 100} color={rest < 0.1 ? "red" : "brand"} aria-label={label} />
    </Progress.Root>
  );
}
