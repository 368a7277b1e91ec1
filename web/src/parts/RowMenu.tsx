// What can be done with one row of a list.

import { ActionIcon, Menu } from "@mantine/core";

import { Icon, type Sign } from "./Icon";

export interface Act {
  says: string;
  sign: Sign;
  run: () => void;
  danger?: boolean;
}

export function RowMenu({ of, acts }: { of: string; acts: Act[] }) {
  return (
    <Menu position="bottom-end" shadow="md" width={200}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="dimmed" aria-label={`What to do with ${of}`}>
          <Icon sign="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {acts.map(({ says, sign, run, danger }) => (
          <Menu.Item key={says} leftSection={<Icon sign={sign} size={16} />} onClick={run} {...(danger ? { className: "danger" } : {})}>
            {says}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
