// The RDP client: WebAssembly, loaded when somebody opens a desktop and not before. It draws on
// a canvas and is told what is typed and pointed at; it never sees the clipboard.

import { Backend, enableCredssp, init } from "@devolutions/iron-remote-desktop-rdp";

import { api, told } from "../api/client";
import { SECURE_ATTENTION, scanCode } from "./keys";

/** In what a wheel counts, as the core numbers it. */
const PIXELS = 0;
const LINES = 1;
const PAGES = 2;

export interface Place {
  /** The check-out. */
  id: string;
  target: string;
  width: number;
  height: number;
}

export interface Desktop {
  /** Until it is over. */
  ends: Promise<void>;
  /** Ctrl, Alt and Delete, which the browser keeps for itself. */
  secureAttention: () => void;
  close: () => void;
}

let started: Promise<void> | undefined;

/** Opens the desktop of a check-out on a canvas. What is wrong is thrown in a sentence. */
export async function open(canvas: HTMLCanvasElement, place: Place): Promise<Desktop> {
  started ??= init("warn");
  await started;
  const at = { params: { path: { id: place.id } } };
  const { code } = await told(api.POST("/api/v1/checkouts/{id}/desktop", at));
  const builder = new Backend.SessionBuilder();
  builder.proxyAddress(`wss://${location.host}/api/v1/checkouts/${place.id}/desktop`);
  builder.authToken(code);
  // Who it is the gateway knows, and where it goes; as whom, only the gateway.
  builder.destination(`${place.target}:3389`);
  builder.username("doorward");
  builder.password("");
  builder.serverDomain("");
  builder.desktopSize(new Backend.DesktopSize(place.width, place.height));
  builder.renderCanvas(canvas);
  builder.setCursorStyleCallbackContext(canvas);
  builder.setCursorStyleCallback((kind: string, data?: string, x?: number, y?: number) => {
    canvas.style.cursor = kind === "url" && data ? `url(${data}) ${Math.round(x ?? 0)} ${Math.round(y ?? 0)}, default` : kind === "default" ? "default" : "none";
  });
  builder.extension(enableCredssp(false));
  const session = await builder.connect().catch((problem: unknown) => {
    throw new Error(sentence(problem));
  });
  const send = (...events: Input[]) => {
    const transaction = new Backend.InputTransaction();
    for (const event of events) transaction.addEvent(event);
    session.applyInputs(transaction);
  };
  const unwatch = watch(canvas, send, session);
  let isOver = false;
  const ended = () => {
    isOver = true;
    unwatch();
  };
  const ends = session.run().then(ended, (problem: unknown) => {
    ended();
    throw new Error(sentence(problem));
  });
  return {
    ends,
    // The core takes it badly to be told to end what has ended.
    close: () => {
      if (!isOver) session.shutdown();
    },
    secureAttention: () => {
      const { keyPressed, keyReleased } = Backend.DeviceEvent;
      send(...SECURE_ATTENTION.map((key) => keyPressed(key)), ...SECURE_ATTENTION.toReversed().map((key) => keyReleased(key)));
    },
  };
}

type Input = ReturnType<typeof Backend.DeviceEvent.keyPressed>;
type Session = Awaited<ReturnType<InstanceType<typeof Backend.SessionBuilder>["connect"]>>;

/** Sends on what is typed and pointed at on the canvas, until it is told to stop. */
function watch(canvas: HTMLCanvasElement, send: (...events: Input[]) => void, session: Session): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const { DeviceEvent } = Backend;
  const key = (event: KeyboardEvent) => {
    const code = scanCode(event.code);
    if (code === undefined) return;
    // The way out for who has no mouse.
    if (event.ctrlKey && event.altKey && event.shiftKey) {
      session.releaseAllInputs();
      canvas.blur();
      return;
    }
    event.preventDefault();
    send(event.type === "keydown" ? DeviceEvent.keyPressed(code) : DeviceEvent.keyReleased(code));
  };
  const locks = (event: KeyboardEvent | MouseEvent) => {
    const is = (name: string) => event.getModifierState(name);
    session.synchronizeLockKeys(is("ScrollLock"), is("NumLock"), is("CapsLock"), is("KanaMode"));
  };
  const moved = (event: MouseEvent) => {
    const box = canvas.getBoundingClientRect();
    const on = (from: number, length: number, whole: number) => Math.min(whole - 1, Math.max(0, Math.round((from * whole) / length)));
    const x = on(event.clientX - box.left, box.width, canvas.width);
    send(DeviceEvent.mouseMove(x, on(event.clientY - box.top, box.height, canvas.height)));
  };
  const pressed = (event: MouseEvent) => {
    event.preventDefault();
    canvas.focus();
    moved(event);
    const { button } = event;
    send(event.type === "mousedown" ? DeviceEvent.mouseButtonPressed(button) : DeviceEvent.mouseButtonReleased(button));
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const unit = [PIXELS, LINES, PAGES][event.deltaMode] ?? PIXELS;
    const isVertical = event.deltaY !== 0;
    send(DeviceEvent.wheelRotations(isVertical, -(isVertical ? event.deltaY : event.deltaX), unit));
  };
  const release = () => session.releaseAllInputs();
  canvas.addEventListener("keydown", key, { signal });
  canvas.addEventListener("keyup", key, { signal });
  canvas.addEventListener("mousemove", moved, { signal });
  canvas.addEventListener("mousedown", pressed, { signal });
  canvas.addEventListener("mouseup", pressed, { signal });
  canvas.addEventListener("mouseenter", locks, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
  canvas.addEventListener("blur", release, { signal });
  return () => stop.abort();
}

const NUMBERS: Record<number, string> = {
  401: "This page was opened once already: open the desktop again.",
  403: "The gateway did not let this desktop open.",
  410: "The check-out is over.",
  429: "Too many attempts: wait a moment.",
  502: "The target did not prove what it must, or does not take the account's credential.",
  503: "The target could not be reached.",
};

/** What the core says is for those who build it; what it was told is a number. */
function sentence(problem: unknown): string {
  const told = problem as { rdcleanpathDetails?: () => { httpStatusCode?: number } | undefined; backtrace?: () => string };
  const number = told.rdcleanpathDetails?.()?.httpStatusCode;
  if (told.backtrace) console.warn(told.backtrace());
  return (number && NUMBERS[number]) || "The connection to the desktop was lost.";
}
