// What was written down about a check-out, in its order: what people did, and on request all of it.

import { Button, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";

import { useHistory } from "../api/queries";
import type { Checkout, Entry } from "../api/types";
import { Moment } from "../parts/Moment";
import { Shown } from "../parts/State";
import { told } from "../text/words";

const YES = /\.(approve|grant|open|extend)$/;
const NO = /\.(deny|revoke|expire|kill|lapse|withdraw)$/;

function kindOf({ event }: Entry): string {
  if (event.outcome !== "done" || NO.test(event.kind)) return "no";
  if (YES.test(event.kind)) return "yes";
  return event.kind.startsWith("checkout.") ? "plain" : "quiet";
}

/** What the gateway did by itself along the way. */
const ALONG = /^(credential|recording)\./;

export function Timeline({ checkout }: { checkout: Checkout }) {
  const history = useHistory(checkout.code);
  const [all, { toggle }] = useDisclosure();
  return (
    <Shown of={history} rows={2}>
      {({ items }) => {
        const shown = items.filter(({ event }) => all || event.outcome !== "done" || !ALONG.test(event.kind));
        const hidden = items.length - shown.length;
        return (
          <>
            <ol className="timeline">
              {shown.map((entry) => (
                <li key={entry.seq} data-kind={kindOf(entry)}>
                  <Text size="sm">{told(entry.event.message)}</Text>
                  <Text size="xs" c="dimmed">
                    <Moment at={entry.at} />
                    {entry.event.outcome === "done" ? "" : " · refused"}
                  </Text>
                </li>
              ))}
            </ol>
            {hidden > 0 || all ? (
              <Button variant="subtle" size="compact-xs" onClick={toggle} aria-expanded={all}>
                {all ? "Show less" : `Show ${hidden} more of the gateway's own`}
              </Button>
            ) : null}
          </>
        );
      }}
    </Shown>
  );
}
