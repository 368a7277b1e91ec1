// A point in time, with its whole length at hand.

import { exactly, when } from "../text/time";

export function Moment({ at }: { at: string | null | undefined }) {
  if (!at) return <span aria-label="none">–</span>;
  return (
    <time dateTime={at} title={exactly(at)} className="numbers">
      {when(at)}
    </time>
  );
}
