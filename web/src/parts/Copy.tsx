// A line to paste elsewhere.

import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";

import { Icon } from "./Icon";

export function CopyLine({ text, label }: { text: string; label: string }) {
  return (
    <div className="copy-line">
      {/* The scroll is reached by keyboard as well. */}
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <CopyButton value={text} timeout={1_500}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : "Copy"} withArrow>
            <ActionIcon
              variant={copied ? "filled" : "default"}
              color={copied ? "go" : "gray"}
              size="lg"
              onClick={copy}
              aria-label={copied ? `Copied: ${label}` : `Copy: ${label}`}
            >
              <Icon sign={copied ? "check" : "copy"} />
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </div>
  );
}
