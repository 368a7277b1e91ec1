// About oneself: second factors, password, SSH keys, sign-ins and tokens.

import { useTitle } from "../shell/title";
import { Head } from "../parts/State";
import { useWho } from "../shell/me";
import { Factors } from "./Factors";
import { Keys } from "./Keys";
import { Password } from "./Password";
import { SignIns } from "./SignIns";
import { Tokens } from "./Tokens";

export function MePage() {
  const me = useWho();
  useTitle("You");
  return (
    <>
      <Head title={me.full_name || me.name} says={`${me.name} · ${me.roles.join(", ")}${me.groups.length > 0 ? ` · ${me.groups.join(", ")}` : ""}`} />
      <Factors />
      <Password />
      <Keys />
      <SignIns />
      <Tokens />
    </>
  );
}
