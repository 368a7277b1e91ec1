// Where one can go, by what one is.

import { Link, useLocation } from "react-router";

import { useCheckouts } from "../api/queries";
import { Icon, type Sign } from "../parts/Icon";
import { useIs } from "./me";

export function Nav() {
  const asks = useIs("requester");
  const answers = useIs("approver", "admin");
  const reads = useIs("auditor", "admin");
  const waiting = useCheckouts({ view: "waiting", limit: "50" }, { enabled: answers });
  return (
    <nav className="nav" aria-label="Pages">
      <Place to="/" sign="home" says="Home" exact count={waiting.data?.items.length ?? 0} />
      {asks ? <Place to="/request" sign="plus" says="Ask for access" /> : null}
      <Place to="/checkouts" sign="list" says="Check-outs" />
      <Place to="/sessions" sign="terminal" says="Sessions" />
      <Place to="/recordings" sign="play" says="Recordings" />
      {reads ? (
        <>
          <div className="nav-title">Oversight</div>
          <Place to="/audit" sign="shield" says="Audit log" />
          <Place to="/reports" sign="chart" says="Reports" />
          <div className="nav-title">Set up</div>
          <Place to="/admin/targets" sign="server" says="Targets" />
          <Place to="/admin/accounts" sign="key" says="Accounts" />
          <Place to="/admin/policies" sign="rules" says="Policies" />
          <Place to="/admin/users" sign="user" says="Users" />
          <Place to="/admin/groups" sign="users" says="Groups" />
          <Place to="/admin/notices" sign="send" says="Notices" />
          <Place to="/admin/health" sign="info" says="Health" />
        </>
      ) : null}
    </nav>
  );
}

function Place({ to, sign, says, exact, count }: { to: string; sign: Sign; says: string; exact?: boolean; count?: number }) {
  const { pathname } = useLocation();
  const here = exact ? pathname === to : pathname === to || pathname.startsWith(`${to}/`);
  return (
    <Link to={to} aria-current={here ? "page" : undefined}>
      <Icon sign={sign} />
      {says}
      {count ? (
        <span className="nav-count" aria-label={`${count} waiting for you`}>
          {count}
        </span>
      ) : null}
    </Link>
  );
}
