// Who is here, for every page.

import { createContext, useContext } from "react";

import type { Me, Role } from "../api/types";

const Context = createContext<Me | undefined>(undefined);

export const MeProvider = Context.Provider;

export function useWho(): Me {
  const me = useContext(Context);
  if (!me) throw new Error("pages are shown to whoever is signed in");
  return me;
}

/** Whether whoever is here has one of these roles. What they may do is the gateway's to decide. */
export function useIs(...roles: Role[]): boolean {
  const { roles: own } = useWho();
  return roles.some((role) => own.includes(role));
}
