// Points in time as people read them, in their own time zone.

/** How far this machine's clock is from the gateway's, in milliseconds. */
let ahead = 0;

/** The gateway says with each answer what time it is; seconds apart are no difference. */
export function setTime(header: string | null, now = Date.now()): void {
  const gateway = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(gateway)) return;
  const difference = now - gateway;
  ahead = Math.abs(difference) > 3_000 ? difference : 0;
}

/** What time it is at the gateway, which ends check-outs by its own clock. */
export function gatewayNow(now = Date.now()): number {
  return now - ahead;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });

/** `14:05`, `22 Nov 14:05`, `22 Nov 2029 14:05`. */
export function when(iso: string, now = gatewayNow()): string {
  const at = new Date(iso);
  const today = new Date(now);
  const time = clock.format(at);
  if (at.toDateString() === today.toDateString()) return time;
  const form = at.getFullYear() === today.getFullYear() ? day : year;
  return `${form.format(at)} ${time}`;
}

/** With seconds and the time zone, for a tooltip. */
export function exactly(iso: string): string {
  return exact.format(new Date(iso));
}

/** `2 d 3 h`, `1 h 05 min`, `12 min`, and by the second in the last five minutes: `4:59`. */
export function left(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const two = (number: number) => String(number).padStart(2, "0");
  if (seconds < 300) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `just now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function ago(iso: string, now = gatewayNow()): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ago`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "yesterday" : `${days} days ago`;
}

/** What `<input type="datetime-local">` holds, as the API takes it; nothing where it holds nothing. */
export function fromLocal(value: string): string | undefined {
  const at = new Date(value);
  return value && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}

/** The other way round, to the minute. */
export function toLocal(at: Date): string {
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
