// The mark of the gateway: a door that stands open.

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#3b49c4" />
      <path d="M9 26V8.200c0-.9.6-1.600 1.500-1.800l9-1.900c1.100-.2 2.100.6 2.100 1.700V26" fill="#fff" />
      <path d="M6 26h20" stroke="#fff" strokeWidth="2.400" strokeLinecap="round" />
      <circle cx="18" cy="16.400" r="1.700" fill="#3b49c4" />
    </svg>
  );
}
