// Words in recordings: each line where they stand leads to that moment in the player. That one
// searched, and whose recording was shown, is written down.

import { Button, Group, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, told } from "../api/client";
import { useAddress } from "../parts/address";
import { Icon } from "../parts/Icon";
import { Moment } from "../parts/Moment";
import { Failed, Head, Nothing, Reading } from "../parts/State";
import { useTitle } from "../shell/title";
import { count } from "../text/words";
import { type Found, type Hit, playTime, readFound } from "./found";

const DEFAULTS = {};

export function SearchPage() {
  useTitle("Search in recordings");
  const [asked, change] = useAddress(DEFAULTS);
  const [words, setWords] = useState(asked.q ?? "");
  const [user, setUser] = useState(asked.user ?? "");
  const [target, setTarget] = useState(asked.target ?? "");
  const found = useInfiniteQuery<Found, Error, { pages: Found[] }, unknown[], string>({
    queryKey: ["found", asked],
    queryFn: async ({ pageParam }) => {
      const query = { ...asked, limit: "50", ...(pageParam ? { cursor: pageParam } : {}) } as never;
      return readFound(String(await told(api.GET("/api/v1/recordings/search", { params: { query }, parseAs: "text" }) as never)));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    enabled: Boolean(asked.q),
    // Each search is audited: none is made by itself.
    staleTime: Infinity,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const pages = found.data?.pages ?? [];
  const hits = pages.flatMap((page) => page.hits);
  const unread = pages.flatMap((page) => page.unread);
  const searched = pages.reduce((sum, page) => sum + page.searched, 0);
  return (
    <>
      <Head title="Search in recordings" says="What was shown or typed in terminals, and what web targets were asked for. That you searched is written down." />
      <form
        className="filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          change({ q: words.trim(), user: user.trim(), target: target.trim() });
        }}
      >
        <TextInput
          label="Words"
          description="All in one line; quotes keep words together"
          placeholder='"drop table" orders'
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
          w={{ base: "100%", xs: 300 }}
          required
        />
        <TextInput label="Who" value={user} onChange={(event) => setUser(event.currentTarget.value)} w={{ base: "100%", xs: 140 }} />
        <TextInput label="Target" value={target} onChange={(event) => setTarget(event.currentTarget.value)} w={{ base: "100%", xs: 140 }} />
        <Button type="submit" leftSection={<Icon sign="search" size={16} />} loading={found.isFetching}>
          Search
        </Button>
      </form>
      <Failed error={found.error} />
      {!asked.q ? (
        <Nothing sign="search" title="Which words?">
          They are looked for in every recording that you may see, the newest first.
        </Nothing>
      ) : found.isPending && found.isFetching ? (
        <Reading />
      ) : found.data ? (
        <>
          <Text size="sm" c="dimmed" role="status" mb="sm">
            {count(hits.length, "line")} in {count(searched, "recording")}
            {found.hasNextPage ? " so far" : ""}.
          </Text>
          {byRecording(hits).map((lines) => (
            <Lines key={(lines[0] as Hit).recording} lines={lines} />
          ))}
          {unread.map(({ recording, problem }) => (
            <Failed key={recording} error={`Recording ${recording}: ${problem}`} />
          ))}
          {hits.length === 0 && !found.hasNextPage ? <Nothing sign="search" title="These words stand in no recording" /> : null}
          {found.hasNextPage ? (
            <Group mt="md">
              <Button variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
                Search older ones
              </Button>
            </Group>
          ) : null}
        </>
      ) : null}
    </>
  );
}

/** The player may run what no other page may, so its page is loaded anew. */
function Lines({ lines }: { lines: Hit[] }) {
  const first = lines[0] as Hit;
  return (
    <article className="card">
      <Text fw={600} component="h2" size="md">
        {first.user_name}, {first.account_name} on {first.target_name}
      </Text>
      <Text size="sm" c="dimmed">
        <Moment at={first.started_at} /> · check-out {first.code}
      </Text>
      <ul className="found">
        {lines.map(({ at_s, text, recording }, index) => (
          <li key={index}>
            <a href={`/recordings/${recording}?at=${Math.max(0, Math.floor(at_s))}`}>{playTime(at_s)}</a>
            <span className="code">{text}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}

function byRecording(hits: Hit[]): Hit[][] {
  const groups = new Map<string, Hit[]>();
  for (const hit of hits) groups.set(hit.recording, [...(groups.get(hit.recording) ?? []), hit]);
  return [...groups.values()];
}
