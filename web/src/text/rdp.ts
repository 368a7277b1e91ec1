// The file that mstsc, Remmina and others open. Pure; the lines are Microsoft's, and the same that
// `doorward rdp --file` writes. The secret is not in it: only Windows can write one there.

export function rdpFile(address: string, login: string): string {
  return [
    `full address:s:${address}`,
    `username:s:${login}`,
    "enablecredsspsupport:i:1",
    "authentication level:i:2",
    "prompt for credentials:i:1",
    "autoreconnection enabled:i:0",
    "redirectclipboard:i:0",
    "drivestoredirect:s:",
    "",
  ].join("\r\n");
}
