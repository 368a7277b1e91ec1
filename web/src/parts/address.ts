// What a list is asked for stands in the address, so that it can be sent to somebody and is there
// again after going back.

import { useCallback } from "react";
import { useSearchParams } from "react-router";

export type Asked = Record<string, string>;

export function useAddress(defaults: Asked): [Asked, (change: Record<string, string | null>) => void] {
  const [params, setParams] = useSearchParams();
  const asked = { ...defaults, ...Object.fromEntries(params) };
  const change = useCallback(
    (next: Record<string, string | null>) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(next)) {
            if (value === null || value === "" || value === defaults[name]) after.delete(name);
            else after.set(name, value);
          }
          return after;
        },
        { replace: true },
      ),
    // Written down beside the page, and the same each time.
    [setParams],
  );
  return [asked, change];
}
