// What people do. Each says in a word what it did; what the pages show follows by itself.

import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, told } from "./client";
import type { Checkout, NewCheckout, Session } from "./types";

/** Runs something, and has everything read again that it may have changed. */
export function useAction<A, T>(run: (argument: A) => Promise<T>, nouns: string[] = ["checkout", "session"]) {
  const client = useQueryClient();
  return useMutation<T, Error, A>({
    mutationFn: run,
    onSuccess: async () => {
      await Promise.all(nouns.map((noun) => client.invalidateQueries({ queryKey: [noun] })));
    },
  });
}

const at = (id: string) => ({ params: { path: { id } } });

export const useRequest = () =>
  useAction((body: NewCheckout) => told<Checkout>(api.POST("/api/v1/checkouts", { body })));

export const useApprove = (id: string) =>
  useAction((body: { duration?: string; message: string }) =>
    told<Checkout>(api.POST("/api/v1/checkouts/{id}/approve", { ...at(id), body })),
  );

export const useDeny = (id: string) =>
  useAction((message: string) => told<Checkout>(api.POST("/api/v1/checkouts/{id}/deny", { ...at(id), body: { message } })));

export const useRevoke = (id: string) =>
  useAction((message: string) =>
    told<Checkout>(api.POST("/api/v1/checkouts/{id}/revoke", { ...at(id), body: { message } })),
  );

export const useCheckIn = (id: string) =>
  useAction((message: string) =>
    told<Checkout>(api.POST("/api/v1/checkouts/{id}/check-in", { ...at(id), body: { message } })),
  );

export const useCancel = (id: string) =>
  useAction((message: string) =>
    told<Checkout>(api.POST("/api/v1/checkouts/{id}/cancel", { ...at(id), body: { message } })),
  );

export const useExtend = (id: string) =>
  useAction((body: { duration: string; reason: string }) =>
    told<Checkout>(api.POST("/api/v1/checkouts/{id}/extend", { ...at(id), body })),
  );

export const useAssign = (id: string) =>
  useAction((to: string) => told<Checkout>(api.POST("/api/v1/checkouts/{id}/assign", { ...at(id), body: { to } })));

export const useReveal = (id: string) =>
  useAction(() => told(api.POST("/api/v1/checkouts/{id}/reveal", at(id))), []);

export const useRdp = (id: string) => useAction(() => told(api.POST("/api/v1/checkouts/{id}/rdp", at(id))), []);

export const useKill = (id: string) =>
  useAction((message: string) => told<Session>(api.POST("/api/v1/sessions/{id}/kill", { ...at(id), body: { message } })));
