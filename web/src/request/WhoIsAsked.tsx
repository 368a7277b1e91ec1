// Who will be asked, before anything is sent.

import { Alert, Select, Text } from "@mantine/core";

import type { AccountForm } from "../api/types";
import { Icon } from "../parts/Icon";
import { anyOf, count } from "../text/words";

interface Props {
  account: AccountForm;
  approver: string | null;
  onChoose: (name: string | null) => void;
}

export function WhoIsAsked({ account, approver, onChoose }: Props) {
  const names = account.approvers ?? [];
  if (account.votes_needed === 0) {
    return (
      <Alert color="brand" variant="light" icon={<Icon sign="info" />}>
        Nobody has to approve this: it opens at once, and everything in it is written down.
      </Alert>
    );
  }
  if (names.length === 0) {
    return (
      <Alert color="yellow" variant="light" icon={<Icon sign="warn" />}>
        <Text size="sm">Nobody may answer this right now. The request waits until somebody can.</Text>
      </Alert>
    );
  }
  const many = account.votes_needed > 1;
  return (
    <>
      {account.approver_choice && !many && names.length > 1 ? (
        <Select
          label="Who shall answer"
          data={[{ value: "", label: "Whoever answers first" }, ...names]}
          value={approver ?? ""}
          onChange={(chosen) => onChoose(chosen || null)}
        />
      ) : null}
      <Alert color="brand" variant="light" icon={<Icon sign="users" />}>
        <Text size="sm">
          {many
            ? `${count(account.votes_needed, "person", "people")} must agree. Asked will be ${anyOf(names, 6)}.`
            : `${approver ?? anyOf(names, 6)} will be asked.`}
          {account.recording === "off" ? "" : " What you do there is recorded."}
        </Text>
      </Alert>
    </>
  );
}
