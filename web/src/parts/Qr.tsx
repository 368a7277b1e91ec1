// A QR code that the gateway drew. Dark on light whatever the colours are: cameras want it so.

import type { AppSetUp } from "../api/types";

export function Qr({ of, label }: { of: AppSetUp["qr"]; label: string }) {
  return (
    <svg className="qr" viewBox={`0 0 ${of.size} ${of.size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={of.size} height={of.size} fill="#fff" />
      <path d={of.path} fill="#000" />
    </svg>
  );
}
