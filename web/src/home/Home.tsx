// The first page: what waits for an answer of mine, what I hold, and what I can ask for.

import { useIs, useWho } from "../shell/me";
import { useTitle } from "../shell/title";
import { Head } from "../parts/State";
import { FirstSteps } from "./FirstSteps";
import { LiveNow } from "./LiveNow";
import { Mine } from "./Mine";
import { Pending } from "./Pending";
import { Places } from "./Places";

export function Home() {
  const me = useWho();
  const asks = useIs("requester");
  const answers = useIs("approver", "admin");
  useTitle("Home");
  const name = me.full_name.split(" ")[0] || me.name;
  return (
    <>
      <Head title={`${greeting()}, ${name}`} />
      <FirstSteps />
      {answers ? <Pending /> : null}
      {asks ? <Mine /> : null}
      {answers && !asks ? <LiveNow /> : null}
      {asks ? <Places /> : null}
      {asks || answers ? null : <LiveNow />}
    </>
  );
}

function greeting(): string {
  const hour = new Date().getHours();
  if (hour < 5) return "Good night";
  if (hour < 12) return "Good morning";
  return hour < 18 ? "Good afternoon" : "Good evening";
}
