// The request log of a web session, read out of its recording. Pure.

export interface Asked {
  n: number;
  /** Seconds since the recording began. */
  at: number;
  method: string;
  path: string;
  websocket: boolean;
  status: number | undefined;
  bytesIn: number;
  bytesOut: number;
  ms: number | undefined;
  error: string | undefined;
}

interface Line {
  n?: number;
  method?: string;
  path?: string;
  websocket?: boolean;
  status?: number;
  bytes_in?: number;
  bytes_out?: number;
  ms?: number;
  error?: string;
}

/** Each request with its answer, in the order of asking. What cannot be read is left out. */
export function readRequests(cast: string): Asked[] {
  const asked = new Map<number, Asked>();
  for (const text of cast.split("\n").slice(1)) {
    const event = parsed<[number, string, string]>(text);
    if (!event || (event[1] !== "request" && event[1] !== "answer")) continue;
    const line = parsed<Line>(event[2]);
    if (line?.n === undefined) continue;
    if (event[1] === "request") {
      asked.set(line.n, {
        n: line.n,
        at: event[0],
        method: line.method ?? "",
        path: line.path ?? "",
        websocket: line.websocket === true,
        status: undefined,
        bytesIn: 0,
        bytesOut: 0,
        ms: undefined,
        error: undefined,
      });
      continue;
    }
    const request = asked.get(line.n);
    if (!request) continue;
    request.status = line.status;
    request.bytesIn = line.bytes_in ?? 0;
    request.bytesOut = line.bytes_out ?? 0;
    request.ms = line.ms;
    request.error = line.error;
  }
  return [...asked.values()];
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
