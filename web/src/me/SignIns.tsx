// Where I am signed in, and the way out of all of it.

import { Button, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, signOut, told } from "../api/client";
import { useSignIns } from "../api/factors";
import type { SignIn } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { SignInList } from "../parts/SignInList";
import { Failed, Shown } from "../parts/State";

export function SignIns() {
  const signIns = useSignIns();
  const [leaving, setLeaving] = useState(false);
  const end = useAction(async (one: SignIn) => {
    await told(api.DELETE("/api/v1/me/tokens/{id}", { params: { path: { id: one.id } } }));
    if (one.this_one) await gone();
  }, ["me"]);
  return (
    <section className="section" aria-labelledby="sign-ins" style={{ marginTop: 24 }}>
      <div className="section-head">
        <Title order={2} size="h5" id="sign-ins">
          Where you are signed in
        </Title>
        <Button size="xs" variant="default" onClick={() => setLeaving(true)}>
          Sign out everywhere
        </Button>
      </div>
      <Failed error={end.error} />
      <Shown of={signIns} rows={1}>
        {({ items }) => <SignInList items={items} onEnd={(one) => end.mutate(one)} />}
      </Shown>
      <Confirm
        opened={leaving}
        onClose={() => setLeaving(false)}
        title="Sign out everywhere?"
        verb="Sign out everywhere"
        danger
        run={async () => {
          await told(api.DELETE("/api/v1/me/sign-ins"));
          await gone();
        }}
      >
        Every browser and command line you are signed in with is signed out, this one as well, and so are the web targets you have
        open. Tokens of programs stay, and so do your SSH sessions, which end with their check-outs.
      </Confirm>
    </section>
  );
}

/** Whoever has signed out here sees the sign-in, and nothing of before. */
async function gone(): Promise<void> {
  await signOut();
  location.assign("/");
}
