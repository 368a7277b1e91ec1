// What becomes of a test, looked at until it has arrived or has not.

import { Alert, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { api, told } from "../api/client";
import type { Delivery } from "../api/types";
import { Icon } from "../parts/Icon";
import { sentence } from "../text/words";

export function Trial({ delivery, onClose }: { delivery: Delivery; onClose: () => void }) {
  const now = useQuery<Delivery>({
    queryKey: ["delivery", "one", delivery.id],
    queryFn: () => told(api.GET("/api/v1/deliveries/{id}", { params: { path: { id: delivery.id } } })),
    initialData: delivery,
    // The event stream says so as well; where it is gone this does.
    refetchInterval: (query) => (query.state.data?.state === "waiting" ? 1_000 : false),
  });
  const { state, error, recipient } = now.data;
  const to = recipient ? `${recipient} by ${delivery.channel_name}` : delivery.channel_name;
  const [color, says] =
    state === "delivered"
      ? ["green", `The test has arrived at ${to}.`]
      : state === "dead"
        ? ["red", `The test did not arrive. ${sentence(error ?? "Nobody said why")}`]
        : ["gray", `The test is on its way to ${to}…`];
  return (
    <Alert
      color={color}
      variant="light"
      role="status"
      className="failed"
      icon={<Icon sign={state === "dead" ? "warn" : state === "delivered" ? "check" : "clock"} />}
      mb="md"
      withCloseButton
      closeButtonLabel="Close"
      onClose={onClose}
    >
      <Text size="sm" fw={600}>
        {says}
      </Text>
    </Alert>
  );
}
