// What stands around every page: where one is, where one can go, who one is.

import { ActionIcon, AppShell, Burger, Menu, Text, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation, useNavigate } from "react-router";

import { signOut } from "../api/client";
import { useConnection } from "../api/connection";
import { Icon } from "../parts/Icon";
import { Mark } from "./Mark";
import { Nav } from "./Nav";
import { useWho } from "./me";

export function Frame({ children }: { children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);

  // A page that was gone to is read from its beginning, also by a screen reader.
  useEffect(() => {
    close();
    if (first.current) {
      first.current = false;
      return;
    }
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [pathname, close]);

  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 236, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <AppShell.Header>
        <div className="frame-head">
          <Burger
            opened={opened}
            onClick={toggle}
            hiddenFrom="sm"
            size="sm"
            aria-label={opened ? "Close the menu" : "Open the menu"}
            aria-expanded={opened}
          />
          <Link to="/" className="brand">
            <Mark />
            Doorward
          </Link>
          <div className="frame-head-end">
            <ThemeSwitch />
            <OwnMenu />
          </div>
        </div>
      </AppShell.Header>
      <AppShell.Navbar p="sm">
        <Nav />
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1}>
        <div className="frame-main">
          <Banner />
          {children}
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  const says = dark ? "Light colours" : "Dark colours";
  return (
    <Tooltip label={says} withArrow>
      <ActionIcon
        variant="subtle"
        color="gray"
        c="dimmed"
        size="lg"
        aria-label={says}
        onClick={() => setColorScheme(dark ? "light" : "dark")}
      >
        <Icon sign={dark ? "sun" : "moon"} size={20} />
      </ActionIcon>
    </Tooltip>
  );
}

function OwnMenu() {
  const me = useWho();
  const navigate = useNavigate();
  const leave = async () => {
    await signOut();
    // Nothing of theirs stays in memory.
    location.assign("/");
  };
  return (
    <Menu position="bottom-end" width={230} shadow="md">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="dimmed" size="lg" aria-label={`You: ${me.name}`}>
          <Icon sign="user" size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600} c="var(--mantine-color-text)">
            {me.full_name || me.name}
          </Text>
          <Text size="xs" c="dimmed">
            {me.name} · {me.roles.join(", ")}
          </Text>
        </Menu.Label>
        <Menu.Item leftSection={<Icon sign="key" />} onClick={() => void navigate("/me")}>
          Password, keys, tokens
        </Menu.Item>
        <Menu.Item leftSection={<Icon sign="send" />} onClick={() => void navigate("/notices")}>
          What I am told
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon sign="exit" />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Banner() {
  const { reachable, live } = useConnection();
  if (reachable && live) return null;
  return (
    <div className="banner" role="status">
      <Icon sign="warn" />
      {reachable
        ? "Offline, reconnecting… Until then changes do not arrive by themselves."
        : "Offline, reconnecting… The gateway does not answer; what you typed stays."}
    </div>
  );
}
