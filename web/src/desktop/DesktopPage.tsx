// A desktop in the browser: the whole window, a bar with the time that is left, and in the end
// why it is over.

import { Button, Group, Loader, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useParams } from "react-router";

import { useCheckout, useSessions } from "../api/queries";
import type { Checkout } from "../api/types";
import { endOf, endedOf, grantOf, whatOf } from "../checkout/facts";
import { Countdown } from "../parts/Countdown";
import { Icon } from "../parts/Icon";
import { Failed, Reading } from "../parts/State";
import { useTitle } from "../shell/title";
import type { Desktop } from "./core";

export function DesktopPage() {
  const { code = "" } = useParams();
  const checkout = useCheckout(code);
  useTitle(checkout.data ? `Desktop of ${checkout.data.target_name}` : "Desktop");
  if (checkout.error) return <Failed error={checkout.error} again={() => void checkout.refetch()} />;
  return checkout.data ? <Screen checkout={checkout.data} /> : <Reading />;
}

type Standing = { is: "opening" } | { is: "open" } | { is: "over"; why: string };

/** RDP takes even widths, and nothing smaller or larger than these. */
const fitting = (length: number, least: number, most: number) => Math.min(most, Math.max(least, Math.floor(length / 4) * 4));

function Screen({ checkout }: { checkout: Checkout }) {
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const desktop = useRef<Desktop>(undefined);
  const [attempt, setAttempt] = useState(0);
  const [standing, setStanding] = useState<Standing>({ is: "opening" });
  const { id, target_name: target } = checkout;

  useEffect(() => {
    const [room, screen] = [place.current, canvas.current];
    if (!room || !screen) return;
    let left = false;
    const over = (why: string) => {
      if (!left) setStanding({ is: "over", why });
    };
    const run = async () => {
      const { open } = await import("./core");
      if (left) return;
      const size = { width: fitting(room.clientWidth, 640, 2560), height: fitting(room.clientHeight, 480, 1600) };
      const opened = await open(screen, { id, target, ...size });
      if (left) return opened.close();
      desktop.current = opened;
      setStanding({ is: "open" });
      screen.focus();
      await opened.ends;
      over("The desktop was closed.");
    };
    run().catch((problem: unknown) => over(problem instanceof Error ? problem.message : String(problem)));
    return () => {
      left = true;
      desktop.current?.close();
      desktop.current = undefined;
    };
  }, [id, target, attempt]);

  const grant = grantOf(checkout);
  return (
    <main className="desktop-page">
      <header className="desktop-bar">
        <Icon sign="monitor" size={18} />
        <Text fw={600} truncate>
          {whatOf(checkout)}
        </Text>
        {grant && !endOf(checkout) ? (
          <Text size="sm" c="dimmed" className="desktop-left">
            <Countdown until={grant.ends_at} /> left
          </Text>
        ) : null}
        <Group gap="xs" ml="auto" wrap="nowrap">
          <Button size="xs" variant="default" disabled={standing.is !== "open"} onClick={() => desktop.current?.secureAttention()}>
            Ctrl+Alt+Del
          </Button>
          <Button
            size="xs"
            variant="default"
            disabled={standing.is !== "open"}
            onClick={() => void place.current?.requestFullscreen().then(() => canvas.current?.focus())}
          >
            Full screen
          </Button>
          <Button size="xs" component="a" href={`/checkouts/${checkout.code}`} variant="default">
            Check-out
          </Button>
        </Group>
      </header>
      <div ref={place} className="desktop-place">
        <canvas
          ref={canvas}
          key={attempt}
          tabIndex={0}
          role="application"
          aria-label={`Desktop of ${target}. Ctrl+Alt+Shift leaves it.`}
          hidden={standing.is === "over"}
        />
        {standing.is === "opening" ? (
          <div className="desktop-says" role="status">
            <Loader size="sm" />
            <Text>Opening {target}…</Text>
          </div>
        ) : null}
        {standing.is === "over" ? (
          <Over
            checkout={checkout}
            why={standing.why}
            again={() => {
              setStanding({ is: "opening" });
              setAttempt(attempt + 1);
            }}
          />
        ) : null}
      </div>
    </main>
  );
}

/** Why, as the gateway wrote it down; the browser itself only has a number. */
function Over({ checkout, why, again }: { checkout: Checkout; why: string; again: () => void }) {
  const sessions = useSessions({ checkout: checkout.id, sort: "-opened_at", limit: "1" });
  const last = sessions.data?.items[0];
  const end = endOf(checkout);
  const ended = endedOf(checkout);
  return (
    <div className="desktop-says" role="alert">
      <Icon sign={end ? "stop" : "info"} size={28} />
      <Text fw={600} size="lg">
        {ended ? `${ended}${end?.message ? `: ${end.message}` : ""}` : why}
      </Text>
      {!ended && last?.closed_at && last.message ? <Text c="dimmed">{last.message}</Text> : null}
      <Group justify="center">
        {end ? null : <Button onClick={again}>Open it again</Button>}
        <Button component="a" href={`/checkouts/${checkout.code}`} variant="default">
          Back to the check-out
        </Button>
      </Group>
    </div>
  );
}
