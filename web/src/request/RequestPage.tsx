// Asking for access: first the target, then what its policy wants to know.

import { Anchor, Select, Stack } from "@mantine/core";
import { Link, useNavigate, useParams } from "react-router";

import { useTarget, useTargets } from "../api/queries";
import { useTitle } from "../shell/title";
import { Head, Nothing, Shown } from "../parts/State";
import { RequestForm } from "./RequestForm";

export function RequestPage() {
  const { target: name } = useParams();
  const navigate = useNavigate();
  const targets = useTargets();
  const target = useTarget(name);
  useTitle(name ? `Ask for ${name}` : "Ask for access");
  return (
    <>
      <Head title={name ? `Ask for ${name}` : "Ask for access"} says={target.data?.description} />
      <Shown of={targets}>
        {({ items }) => {
          const open = items.filter((one) => one.accounts.some((account) => account.may_ask));
          if (open.length === 0) {
            return (
              <Nothing sign="server" title="There is no target yet that you may ask for">
                An admin enters targets and says in a policy who may ask for them.
              </Nothing>
            );
          }
          return (
            <div className="card">
              <Stack gap="lg" maw={640}>
                <Select
                  label="Target"
                  placeholder="Choose one, or type to search"
                  searchable
                  data={open.map((one) => one.name)}
                  value={name ?? null}
                  onChange={(chosen) => chosen && void navigate(`/request/${chosen}`)}
                  nothingFoundMessage="No target matches"
                />
                {name ? (
                  <Shown of={target}>{(one) => <RequestForm key={one.id} target={one} />}</Shown>
                ) : (
                  <Anchor component={Link} to="/" size="sm">
                    Back to the first page
                  </Anchor>
                )}
              </Stack>
            </div>
          );
        }}
      </Shown>
    </>
  );
}
