// A text to look for, asked for when whoever types has come to a stop.

import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";

import { Icon } from "./Icon";

interface Props {
  label: string;
  placeholder?: string;
  value: string;
  onChange: (text: string) => void;
}

export function Search({ label, placeholder, value, onChange }: Props) {
  const [text, setText] = useState(value);
  const later = useDebouncedCallback(onChange, 250);
  useEffect(() => setText(value), [value]);
  return (
    <TextInput
      label={label}
      placeholder={placeholder ?? ""}
      leftSection={<Icon sign="search" size={16} />}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        later(event.currentTarget.value);
      }}
      w={{ base: "100%", xs: 240 }}
    />
  );
}
