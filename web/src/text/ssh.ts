// What people type or paste to get in by SSH. The same lines as `doorward ssh` and `ssh-config`.

export interface SshPlace {
  user: string;
  /** `host:port`. */
  gateway: string;
  /** What stands behind a target's name where it is a host name. */
  domain: string;
  /** Whose signature the gateway's host certificates bear. */
  authority: string;
}

export function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[|\]$/g, "");
  return { host, port: Number(address.slice(at + 1)) };
}

/** `ssh -p 2222 alice+root@db1@door`; the account only where there are several. */
export function sshLine(place: SshPlace, target: string, account?: string): string {
  const { host, port } = splitAddress(place.gateway);
  const behind = account ? `${account}@${target}` : target;
  return `ssh ${port === 22 ? "" : `-p ${port} `}${place.user}+${behind}@${host}`;
}

/** `ssh root@db1.door`, once the configuration is in place. */
export function jumpLine(place: SshPlace, target: string, account?: string): string {
  return `ssh ${account ? `${account}@` : ""}${target}.${place.domain}`;
}

export function knownHosts(place: SshPlace): string {
  const { host, port } = splitAddress(place.gateway);
  const gateway = port === 22 ? host : `[${host}]:${port}`;
  return `@cert-authority *.${place.domain},${gateway} ${place.authority}`;
}

export function sshConfig(place: SshPlace): string {
  const { host, port } = splitAddress(place.gateway);
  const jump = host.includes(":") ? `${place.user}@[${host}]:${port}` : `${place.user}@${host}:${port}`;
  return [
    `Host ${host}`,
    `    Port ${port}`,
    `    User ${place.user}`,
    "    StrictHostKeyChecking yes",
    "",
    `Host *.${place.domain}`,
    `    ProxyJump ${jump}`,
    `    User ${place.user}`,
    "    StrictHostKeyChecking yes",
  ].join("\n");
}
