// Second factors and sign-ins: one's own, and what an admin does about those of others.

import { useQuery } from "@tanstack/react-query";

import { api, told } from "./client";
import type { Factors, Page, SignIn } from "./types";

/** Looked up each time somebody is asked: they may have set one up elsewhere a moment ago. */
export const useFactors = () =>
  useQuery<Factors>({ queryKey: ["me", "factors"], queryFn: () => told(api.GET("/api/v1/me/factors")), refetchOnMount: "always" });

export const useSignIns = () =>
  useQuery<Page<SignIn>>({ queryKey: ["me", "sign-ins"], queryFn: () => told(api.GET("/api/v1/me/sign-ins")) });

const at = (name: string) => ({ params: { path: { name } } });

export const useFactorsOf = (name: string) =>
  useQuery<Factors>({ queryKey: ["user", "factors", name], queryFn: () => told(api.GET("/api/v1/users/{name}/factors", at(name))) });

export const useSignInsOf = (name: string) =>
  useQuery<Page<SignIn>>({ queryKey: ["user", "sign-ins", name], queryFn: () => told(api.GET("/api/v1/users/{name}/sign-ins", at(name))) });
