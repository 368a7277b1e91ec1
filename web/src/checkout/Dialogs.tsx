// The acts that end something, each with what it will end.

import { useCancel, useCheckIn, useDeny, useRevoke } from "../api/actions";
import { useSessions } from "../api/queries";
import type { Checkout } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { count, sentence } from "../text/words";
import { whatOf } from "./facts";

interface Props {
  checkout: Checkout;
  opened: boolean;
  onClose: () => void;
}

export function DenyDialog({ checkout, opened, onClose }: Props) {
  const deny = useDeny(checkout.id);
  const whom = checkout.requester_name;
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={checkout.extension ? `No more time for ${whom}?` : `Deny ${whom}'s request?`}
      verb="Deny"
      danger
      message={`Why, for ${whom} to read`}
      run={(message) => deny.mutateAsync(message)}
    >
      {checkout.extension
        ? `${whatOf(checkout)} stays with ${whom} until the time that was approved before.`
        : `${whom} does not get ${whatOf(checkout)}. They are told at once and may ask again.`}
    </Confirm>
  );
}

/** `3 live sessions of alice on db1 end now.` */
function useWillEnd(checkout: Checkout, opened: boolean, whose: string): string {
  const live = useSessions({ checkout: checkout.code, live: "true", limit: "200" }, { enabled: opened });
  if (!live.data) return "What is open under it ends now.";
  const number = live.data.items.length;
  if (number === 0) return "No session is open under it.";
  return sentence(`${count(number, "live session")} ${whose} on ${checkout.target_name} ${number === 1 ? "ends" : "end"} now`);
}

export function RevokeDialog({ checkout, opened, onClose }: Props) {
  const revoke = useRevoke(checkout.id);
  const whom = checkout.requester_name;
  const ends = useWillEnd(checkout, opened, `of ${whom}`);
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Revoke ${whom}'s ${whatOf(checkout)}?`}
      verb="Revoke and end"
      danger
      message={`Why, for ${whom} to read`}
      run={(message) => revoke.mutateAsync(message)}
    >
      {ends} To get back in {whom} must ask again.
    </Confirm>
  );
}

export function CheckInDialog({ checkout, opened, onClose }: Props) {
  const checkIn = useCheckIn(checkout.id);
  const ends = useWillEnd(checkout, opened, checkout.mine ? "of yours" : `of ${checkout.requester_name}`);
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Check in ${whatOf(checkout)}?`}
      verb="Check in"
      danger
      run={(message) => checkIn.mutateAsync(message)}
    >
      {ends} To get back in you must ask again.
    </Confirm>
  );
}

export function CancelDialog({ checkout, opened, onClose }: Props) {
  const cancel = useCancel(checkout.id);
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Take back your request for ${whatOf(checkout)}?`}
      verb="Take it back"
      danger
      run={(message) => cancel.mutateAsync(message)}
    >
      Nobody is asked any more.
    </Confirm>
  );
}
