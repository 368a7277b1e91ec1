// Speaks to the API of this host with the cookie that the browser keeps. No secret passes here.

import createClient from "openapi-fetch";

import { setTime } from "../text/time";
import { sentence } from "../text/words";
import { connection } from "./connection";
import { type Wanted, proof } from "./proof";
import type { paths } from "./schema";
import type { HalfSignedIn, PasskeyProof } from "./types";

/** Why something did not happen, in a sentence for people. */
export class Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  /** What is wrong with which field. */
  readonly fields: Record<string, string>;

  constructor(status: number, body: Problem) {
    super(sentence(body.detail ?? "The gateway did not understand this"));
    this.status = status;
    this.code = body.code ?? "unknown";
    // Hints that name a route are for programs.
    this.hint = body.hint && !/\/api\/|^doorward /.test(body.hint) ? sentence(body.hint) : undefined;
    this.fields = Object.fromEntries((body.fields ?? []).map(({ field, detail }) => [field, sentence(detail)]));
  }
}

interface Problem {
  detail?: string;
  code?: string;
  hint?: string;
  fields?: { field: string; detail: string }[];
}

const OUT_OF_REACH = "The gateway does not answer. Nothing you typed is lost; try again in a moment.";

async function watched(input: Request): Promise<Response> {
  const again = input.clone();
  const response = await sent(input);
  // Whatever asks for a fresh proof waits for it here, and is then asked for once more.
  const wanted = response.status === 403 ? await wantedProof(response) : undefined;
  if (!wanted || !(await proof.ask(wanted))) return response;
  return sent(again);
}

async function wantedProof(response: Response): Promise<Wanted | undefined> {
  const body = (await response.clone().json().catch(() => ({}))) as Problem;
  return body.code === "step-up" || body.code === "prove-again" ? body.code : undefined;
}

async function sent(input: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(input);
  } catch (error) {
    connection.lost();
    throw new Failure(0, { detail: error instanceof TypeError ? OUT_OF_REACH : String(error), code: "unreachable" });
  }
  connection.back();
  setTime(response.headers.get("date"));
  if (response.status === 401) connection.signedOut();
  return response;
}

export const api = createClient<paths>({ baseUrl: "/", fetch: watched, credentials: "same-origin" });

/** What was asked for, or the failure as an exception. */
export async function told<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T;
  throw new Failure(response.status, (error ?? {}) as Problem);
}

/** The cookie's own routes, which are no part of the API. */
async function session<T>(path: string, method: "POST" | "DELETE", body?: object): Promise<T | undefined> {
  const response = await fetchOwn(path, method, body);
  if (!response.ok) throw new Failure(response.status, await response.json().catch(() => ({})));
  return response.status === 204 ? undefined : ((await response.json()) as T);
}

async function fetchOwn(path: string, method: string, body?: object): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      credentials: "same-origin",
      headers: { "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
    });
  } catch {
    throw new Failure(0, { detail: OUT_OF_REACH, code: "unreachable" });
  }
}

/** Nothing where that was all; otherwise what a second factor is to be shown for. */
export const signIn = (user: string, password: string) => session<HalfSignedIn>("/session", "POST", { user, password });

export type Second = { code: string } | { passkey: PasskeyProof };

export interface Whole {
  /** To be written down, at the first sign-in with a second factor. */
  recovery_codes?: string[];
}
export const signInWith = (step: string, shown: Second) => session<Whole>("/session/second", "POST", { step, ...shown });
export const signOut = () => session("/session", "DELETE");
