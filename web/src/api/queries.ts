// What the pages read, each under a key that begins with its noun: the event stream says which
// nouns have changed.

import { type UseQueryOptions, keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, told } from "./client";
import type { Account, Channel, Checkout, Delivery, Entry, FileRecord, Group, Me, Page, Policy, Recording, Session, SshFacts, Standing, Target, Token, User } from "./types";

/** What a list is asked for, as it stands in the address. */
export type Asked = Record<string, string | undefined>;

type Extra<T> = Omit<UseQueryOptions<T>, "queryKey" | "queryFn">;

/** Without what is empty. */
function given(asked: Asked): Record<string, string> {
  const entries = Object.entries(asked).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(entries);
}

// The generated types know each parameter by name; a list's come out of the address, where they
// are checked by the gateway.
type Loose = { params: { query: never } };
const query = (asked: Asked) => ({ params: { query: given(asked) } }) as unknown as Loose;

export const useMe = () =>
  useQuery<Me>({ queryKey: ["me"], queryFn: () => told(api.GET("/api/v1/me")), staleTime: 60_000, retry: false });

export const useTargets = (extra: Extra<Page<Target>> = {}) =>
  useQuery<Page<Target>>({
    queryKey: ["target", "all"],
    queryFn: () => told(api.GET("/api/v1/targets", query({ limit: "200" }))),
    ...extra,
  });

export const useTarget = (name: string | undefined) =>
  useQuery<Target>({
    queryKey: ["target", name],
    queryFn: () => told(api.GET("/api/v1/targets/{name}", { params: { path: { name: name ?? "" } } })),
    enabled: Boolean(name),
  });

export const useSsh = () =>
  useQuery<SshFacts>({ queryKey: ["ssh"], queryFn: () => told(api.GET("/api/v1/ssh")), staleTime: Infinity });

export const useCheckouts = (asked: Asked, extra: Extra<Page<Checkout>> = {}) =>
  useQuery<Page<Checkout>>({
    queryKey: ["checkout", "some", asked],
    // The list is also sent as CSV, which is not what is asked for here.
    queryFn: () => told<Page<Checkout>>(api.GET("/api/v1/checkouts", query(asked)) as never),
    ...extra,
  });

export const useCheckout = (code: string) =>
  useQuery<Checkout>({
    queryKey: ["checkout", "one", code],
    queryFn: () => told(api.GET("/api/v1/checkouts/{id}", { params: { path: { id: code } } })),
    retry: false,
  });

export const useHistory = (code: string) =>
  useQuery<Page<Entry>>({
    queryKey: ["checkout", "history", code],
    queryFn: () => told(api.GET("/api/v1/checkouts/{id}/history", { params: { path: { id: code } } })),
  });

export const useSessions = (asked: Asked, extra: Extra<Page<Session>> = {}) =>
  useQuery<Page<Session>>({
    queryKey: ["session", "some", asked],
    queryFn: () => told(api.GET("/api/v1/sessions", query(asked))),
    ...extra,
  });

export const useSession = (id: string) =>
  useQuery<Session>({
    queryKey: ["session", "one", id],
    queryFn: () => told(api.GET("/api/v1/sessions/{id}", { params: { path: { id } } })),
    retry: false,
  });

export function useFiles(id: string) {
  return useInfiniteQuery({
    queryKey: ["session", "files", id],
    queryFn: ({ pageParam }) => {
      const asked = { limit: "100", ...(pageParam ? { cursor: pageParam } : {}) };
      const params = { path: { id }, query: asked as never };
      // The log is also sent as CSV, which is not what is asked for here.
      return told<Page<FileRecord>>(api.GET("/api/v1/sessions/{id}/files", { params }) as never);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });
}

export const useRecordings = (asked: Asked) =>
  useQuery<Page<Recording>>({
    queryKey: ["session", "recordings", asked],
    queryFn: () => told(api.GET("/api/v1/recordings", query(asked))),
  });

export const useRecording = (id: string) =>
  useQuery<Recording>({
    queryKey: ["session", "recording", id],
    queryFn: () => told(api.GET("/api/v1/recordings/{id}", { params: { path: { id } } })),
    retry: false,
  });

export const useAccounts = () =>
  useQuery<Page<Account>>({
    queryKey: ["account"],
    queryFn: () => told(api.GET("/api/v1/accounts", query({ limit: "200" }))),
  });

export const usePolicies = () =>
  useQuery<Page<Policy>>({
    queryKey: ["policy"],
    queryFn: () => told(api.GET("/api/v1/policies", query({ limit: "200" }))),
  });

export const useUsers = (extra: Extra<Page<User>> = {}) =>
  useQuery<Page<User>>({
    queryKey: ["user"],
    queryFn: () => told(api.GET("/api/v1/users", query({ limit: "200" }))),
    ...extra,
  });

/** How the gateway does; not everything of it is told by the event stream. */
export const useStanding = () =>
  useQuery<Standing>({ queryKey: ["standing"], queryFn: () => told(api.GET("/api/v1/standing")), refetchInterval: 5_000 });

export const useGroups = () =>
  useQuery<Page<Group>>({
    queryKey: ["group"],
    queryFn: () => told(api.GET("/api/v1/groups", query({ limit: "200" }))),
  });

export const useChannels = () =>
  useQuery<Page<Channel>>({
    queryKey: ["channel"],
    queryFn: () => told(api.GET("/api/v1/channels", query({ limit: "200" }))),
  });

export const useTokens = () =>
  useQuery<Page<Token>>({ queryKey: ["me", "tokens"], queryFn: () => told(api.GET("/api/v1/me/tokens")) });

/** Lists that are read page by page. */
type Lists = "/api/v1/checkouts" | "/api/v1/sessions" | "/api/v1/recordings" | "/api/v1/audit" | "/api/v1/deliveries";

export function useList<T extends Checkout | Session | Recording | Entry | Delivery>(path: Lists, asked: Asked) {
  const noun = { "/api/v1/checkouts": "checkout", "/api/v1/audit": "audit", "/api/v1/deliveries": "delivery" }[path as string] ?? "session";
  return useInfiniteQuery({
    queryKey: [noun, "list", path, asked],
    queryFn: ({ pageParam }) =>
      told(api.GET(path, query({ limit: "50", ...asked, cursor: pageParam })) as never) as Promise<Page<T>>,
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });
}
