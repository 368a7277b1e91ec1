// What somebody is told by mail, and what they do not want to hear of.

import { Checkbox, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import type { Happening } from "../api/types";
import { Failed, Head, Shown } from "../parts/State";
import { useWho } from "../shell/me";
import { useTitle } from "../shell/title";
import { CONCERNS, eventSays } from "./words";

export function OwnNotices() {
  useTitle("What I am told");
  const me = useWho();
  const choice = useQuery({ queryKey: ["me", "notices"], queryFn: () => told(api.GET("/api/v1/me/notices")) });
  const save = useAction((muted: Happening[]) => told(api.PUT("/api/v1/me/notices", { body: { muted } })), ["me"]);
  return (
    <>
      <Head title="What I am told" says="By mail, of what concerns you" />
      <Failed error={save.error} />
      <Shown of={choice}>
        {({ muted, email, mail }) => (
          <Stack gap="lg">
            <Text>
              {!mail
                ? "This gateway sends no mail: an admin sets that up under Notices. What waits for you stands on your first page."
                : email
                  ? `Mail goes to ${email}.`
                  : "You have no e-mail address here, so no mail reaches you; an admin can enter one."}
            </Text>
            {CONCERNS.filter(({ role }) => me.roles.includes(role as never)).map(({ role, says, events }) => (
              <Stack key={role} component="fieldset" gap="sm" className="plain-fieldset">
                <Text component="legend" fw={600}>
                  {says}
                </Text>
                {events.map((event) => {
                  const quiet = muted.includes(event);
                  const next = quiet ? muted.filter((one) => one !== event) : [...muted, event];
                  return (
                    <Checkbox
                      key={event}
                      label={eventSays(event)}
                      checked={!quiet}
                      disabled={save.isPending}
                      onChange={() => save.mutate(next)}
                    />
                  );
                })}
              </Stack>
            ))}
          </Stack>
        )}
      </Shown>
    </>
  );
}
