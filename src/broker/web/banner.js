"use strict";
(() => {
  const LAST_MINUTES = 5 * 60 * 1000;
  const banner = document.querySelector("doorward-banner");
  if (!banner || banner.shadowRoot) return;
  let ends = Date.parse(banner.dataset.ends);
  let code = banner.dataset.code;
  let over = false;
  let away = false;

  const root = banner.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483647;
      display: flex; gap: .75rem; align-items: center; max-width: calc(100vw - 2rem);
      box-sizing: border-box; padding: .45rem .5rem .45rem .9rem; border-radius: .5rem;
      font: 14px/1.4 system-ui, sans-serif; color: #fff; background: #1f2544;
      box-shadow: 0 2px 10px #0006; }
    :host([hidden]) { display: none; }
    :host([data-last]) { background: #9a1b12; }
    button { all: unset; cursor: pointer; padding: .1rem .5rem; border-radius: .3rem; }
    button:hover { background: #fff3; }
    button:focus-visible { outline: 2px solid #fff; }
    @media print { :host { display: none; } }`);
  root.adoptedStyleSheets = [sheet];
  const says = document.createElement("span");
  const hide = document.createElement("button");
  hide.textContent = "Hide";
  hide.title = "Hide this until the last five minutes";
  hide.addEventListener("click", () => { away = true; show(); });
  root.append(says, hide);

  const left = (ms) => {
    const minutes = Math.ceil(ms / 60000);
    if (ms < 60000) return `${Math.max(0, Math.ceil(ms / 1000))} s`;
    if (minutes < 60) return `${minutes} min`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const show = () => {
    const ms = ends - Date.now();
    const last = over || ms <= LAST_MINUTES;
    const text = over || ms <= 0
      ? `Access has ended (check-out ${code})`
      : `Access ends in ${left(ms)} (check-out ${code})`;
    if (says.textContent !== text) says.textContent = text;
    banner.toggleAttribute("data-last", last);
    banner.hidden = away && !last;
    hide.hidden = last;
  };
  const look = async () => {
    try {
      const answer = await fetch("/.doorward/time", { cache: "no-store" });
      over = !answer.ok;
      if (answer.ok) {
        const now = await answer.json();
        ends = Date.parse(now.ends_at);
        code = now.checkout;
      }
    } catch {
      // Not allowed here, or not reached: what was known counts.
    }
    show();
  };
  show();
  setInterval(show, 1000);
  setInterval(() => { if (!document.hidden) look(); }, 15000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
})();
