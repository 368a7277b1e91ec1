// For an admin of a gateway that has no target yet: where to begin.

import { Button, Text, Title } from "@mantine/core";
import { Link } from "react-router";

import { useTargets } from "../api/queries";
import { Icon } from "../parts/Icon";
import { useIs } from "../shell/me";

export function FirstSteps() {
  const admin = useIs("admin");
  const targets = useTargets({ enabled: admin });
  if (!admin || targets.data?.items.length !== 0) return null;
  return (
    <section className="card section" aria-labelledby="first-steps">
      <div className="card-head">
        <span className="sign">
          <Icon sign="server" />
        </span>
        <div className="card-main">
          <Title order={2} size="h4" id="first-steps">
            Set up your first target
          </Title>
          <Text size="sm" c="dimmed">
            A machine, how the gateway gets in, and who answers: in three short steps.
          </Text>
        </div>
        <div className="card-end">
          <Button component={Link} to="/setup" rightSection={<Icon sign="right" size={16} />}>
            Begin
          </Button>
        </div>
      </div>
    </section>
  );
}
