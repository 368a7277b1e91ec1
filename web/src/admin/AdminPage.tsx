// Setting up: targets, accounts, policies, people. Auditors look, admins change.

import { Navigate, useParams } from "react-router";

import { NotFound } from "../shell/NotFound";
import { Accounts } from "./Accounts";
import { Channels } from "../telling/Channels";
import { Groups } from "./Groups";
import { Health } from "./Health";
import { Policies } from "./Policies";
import { Targets } from "./Targets";
import { Users } from "./Users";

const PAGES: Record<string, React.ComponentType> = {
  targets: Targets,
  accounts: Accounts,
  policies: Policies,
  users: Users,
  groups: Groups,
  notices: Channels,
  health: Health,
};

export function AdminPage() {
  const { noun } = useParams();
  if (!noun) return <Navigate to="/admin/targets" replace />;
  const Page = PAGES[noun];
  return Page ? <Page /> : <NotFound />;
}
