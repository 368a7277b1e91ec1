// How long: by a button, or typed as `1h30m`.

import { Chip, Group, Input, TextInput } from "@mantine/core";
import { useId, useState } from "react";

import { parseSpan, spanInWords, wordsOf, writeSpan } from "../text/span";

interface Props {
  label: string;
  value: string;
  onChange: (span: string) => void;
  presets: string[];
  hint?: string;
  error?: string | undefined;
}

export function DurationField({ label, value, onChange, presets, hint, error }: Props) {
  const [own, setOwn] = useState(!presets.includes(value));
  const [typed, setTyped] = useState(value);
  const id = useId();
  const seconds = parseSpan(typed);
  const type = (text: string) => {
    setTyped(text);
    const read = parseSpan(text);
    onChange(read ? writeSpan(read) : "");
  };
  return (
    <Input.Wrapper label={label} labelElement="div" labelProps={{ id }} error={error} {...(hint ? { description: hint } : {})} inputWrapperOrder={["label", "input", "description", "error"]}>
      <Chip.Group
        value={own ? "own" : value}
        onChange={(choice) => {
          const chosen = String(choice);
          setOwn(chosen === "own");
          if (chosen === "own") setTyped(value);
          else onChange(chosen);
        }}
      >
        <Group gap="xs" role="group" aria-labelledby={id} mt={4} mb={own ? "xs" : 4}>
          {presets.map((preset) => (
            <Chip key={preset} value={preset} radius="md" variant="outline">
              {wordsOf(preset)}
            </Chip>
          ))}
          <Chip value="own" radius="md" variant="outline">
            Other
          </Chip>
        </Group>
      </Chip.Group>
      {own ? (
        <TextInput
          aria-label={`${label}: days, hours and minutes`}
          placeholder="1h30m"
          value={typed}
          onChange={(event) => type(event.currentTarget.value)}
          error={typed && !seconds ? "Write days, hours and minutes, as in 1h30m." : undefined}
          rightSectionWidth={150}
          rightSectionPointerEvents="none"
          rightSection={seconds ? <span className="field-note">{spanInWords(seconds)}</span> : null}
          maw={300}
          mb={4}
        />
      ) : null}
    </Input.Wrapper>
  );
}
