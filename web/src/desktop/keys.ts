// What a key is called on the wire: scan codes of set 1, by where a key is and not what it says.

const ROWS: [number, string[]][] = [
  [0x01, ["Escape", "Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0", "Minus", "Equal", "Backspace"]],
  [0x0f, ["Tab", "KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP", "BracketLeft", "BracketRight", "Enter", "ControlLeft"]],
  [0x1e, ["KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK", "KeyL", "Semicolon", "Quote", "Backquote", "ShiftLeft", "Backslash"]],
  [0x2c, ["KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash", "ShiftRight", "NumpadMultiply", "AltLeft", "Space", "CapsLock"]],
  [0x3b, ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "Pause", "ScrollLock"]],
  [0x47, ["Numpad7", "Numpad8", "Numpad9", "NumpadSubtract", "Numpad4", "Numpad5", "Numpad6", "NumpadAdd"]],
  [0x4f, ["Numpad1", "Numpad2", "Numpad3", "Numpad0", "NumpadDecimal"]],
  [0x56, ["IntlBackslash", "F11", "F12", "NumpadEqual"]],
  [0x64, ["F13", "F14", "F15", "F16", "F17", "F18", "F19", "F20", "F21", "F22", "F23"]],
  [0x70, ["KanaMode", "Lang2", "Lang1", "IntlRo"]],
  [0xe01c, ["NumpadEnter", "ControlRight"]],
  [0xe047, ["Home", "ArrowUp", "PageUp"]],
  [0xe04f, ["End", "ArrowDown", "PageDown", "Insert", "Delete"]],
  [0xe05b, ["MetaLeft", "MetaRight", "ContextMenu"]],
];

const SINGLE: [string, number][] = [
  ["F24", 0x76],
  ["Convert", 0x79],
  ["NonConvert", 0x7b],
  ["IntlYen", 0x7d],
  ["NumpadComma", 0x7e],
  ["NumpadDivide", 0xe035],
  ["PrintScreen", 0xe037],
  ["AltRight", 0xe038],
  ["NumLock", 0xe045],
  ["ArrowLeft", 0xe04b],
  ["ArrowRight", 0xe04d],
];

const CODES = new Map<string, number>([...ROWS.flatMap(([first, keys]) => keys.map((key, at): [string, number] => [key, first + at])), ...SINGLE]);

/** None for a key that no desktop knows. */
export const scanCode = (code: string): number | undefined => CODES.get(code);

/** Ctrl, Alt and Delete, which no browser gives away. */
export const SECURE_ATTENTION = [0x1d, 0x38, 0xe053];
