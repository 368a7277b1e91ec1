// Speaks to the browser about passkeys. What crosses to the gateway is base64url.

import type { NewPasskey, PasskeyCreation, PasskeyProof, PasskeyRequest } from "./types";

/** Whether this browser can be asked at all. */
export const passkeysHere = () => typeof window.PublicKeyCredential === "function";

/** Has an authenticator sign; a sentence where it did not. */
export async function showPasskey(asked: PasskeyRequest): Promise<PasskeyProof> {
  const shown = await here(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: bytes(asked.challenge),
        rpId: asked.rp_id,
        allowCredentials: asked.allow.map((id) => ({ type: "public-key", id: bytes(id) })),
        // A second factor: that somebody is there is enough.
        userVerification: "discouraged",
        timeout: asked.timeout_ms,
      },
    }),
  );
  const answer = shown.response as AuthenticatorAssertionResponse;
  return {
    id: text(shown.rawId),
    client_data: text(answer.clientDataJSON),
    authenticator_data: text(answer.authenticatorData),
    signature: text(answer.signature),
  };
}

/** Has an authenticator make one. */
export async function makePasskey(asked: PasskeyCreation): Promise<Omit<NewPasskey, "label">> {
  const made = await here(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: bytes(asked.challenge),
        rp: { id: asked.rp_id, name: asked.rp_name },
        user: { id: bytes(asked.user_id), name: asked.user_name, displayName: asked.user_name },
        pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: asked.exclude.map((id) => ({ type: "public-key", id: bytes(id) })),
        authenticatorSelection: { residentKey: "discouraged", userVerification: "discouraged" },
        attestation: "none",
        timeout: asked.timeout_ms,
      },
    }),
  );
  const answer = made.response as AuthenticatorAttestationResponse;
  return { client_data: text(answer.clientDataJSON), authenticator_data: text(answer.getAuthenticatorData()) };
}

async function here(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  try {
    const credential = await ask();
    if (credential instanceof PublicKeyCredential) return credential;
  } catch (error) {
    if (error instanceof DOMException && error.name === "InvalidStateError") {
      throw new Error("This passkey is set up already.");
    }
    // Browsers tell no page why, so that it cannot find out what somebody has.
  }
  throw new Error("No passkey was shown. Try again, or show something else.");
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  let binary = "";
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
