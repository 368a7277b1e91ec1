// Names and what they stand for, in two columns.

import type { ReactNode } from "react";

export type Fact = [name: string, value: ReactNode] | false | null | undefined;

/** What is false or has no value is left out. */
export function Facts({ of }: { of: Fact[] }) {
  const shown = of.filter((fact): fact is [string, ReactNode] => Boolean(fact) && Boolean((fact as [string, ReactNode])[1]));
  return (
    <dl className="facts">
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
