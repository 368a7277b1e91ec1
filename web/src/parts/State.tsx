// What a page says while it reads, where there is nothing, and where something went wrong.

import { Alert, Button, Skeleton, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { Failure } from "../api/client";
import { Icon, type Sign } from "./Icon";

export function Reading({ rows = 3 }: { rows?: number }) {
  return (
    <Stack gap="sm" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={56} radius="md" />
      ))}
    </Stack>
  );
}

/** Nothing is there: says so, and what to do about it. */
export function Nothing({ sign, title, children }: { sign: Sign; title: string; children?: ReactNode }) {
  return (
    <div className="nothing">
      <span className="nothing-sign">
        <Icon sign={sign} size={26} />
      </span>
      <Text fw={600}>{title}</Text>
      {children ? (
        <Text size="sm" c="dimmed" component="div">
          {children}
        </Text>
      ) : null}
    </div>
  );
}

/** What went wrong, read aloud at once. */
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  if (!error) return null;
  const hint = error instanceof Failure ? error.hint : undefined;
  return (
    <Alert color="red" variant="light" role="alert" icon={<Icon sign="warn" />} className="failed">
      <Text size="sm" fw={600}>
        {error instanceof Error ? error.message : String(error)}
      </Text>
      {hint ? <Text size="sm">{hint}</Text> : null}
      {again ? (
        <Button mt="xs" size="xs" variant="default" onClick={again}>
          Try again
        </Button>
      ) : null}
    </Alert>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** Shows what was read; what is there already stays while it is read again. */
export function Shown<T>({ of, rows, children }: { of: Asked<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error) return <Failed error={of.error} again={() => void of.refetch()} />;
  return <Reading {...(rows === undefined ? {} : { rows })} />;
}

/** The head of a page: its name, what it is about, what can be done. */
export function Head({ title, says, children }: { title: ReactNode; says?: ReactNode; children?: ReactNode }) {
  return (
    <header className="head">
      <div>
        <Title order={1} size="h2">
          {title}
        </Title>
        {says ? (
          <Text c="dimmed" mt={4} component="div">
            {says}
          </Text>
        ) : null}
      </div>
      {children ? <div className="head-actions">{children}</div> : null}
    </header>
  );
}
