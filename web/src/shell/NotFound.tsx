import { Anchor } from "@mantine/core";
import { Link } from "react-router";

import { Nothing } from "../parts/State";

export function NotFound() {
  return (
    <Nothing sign="search" title="There is nothing at this address">
      <Anchor component={Link} to="/">
        Go to the first page
      </Anchor>
    </Nothing>
  );
}
