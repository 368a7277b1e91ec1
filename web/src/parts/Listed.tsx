// A list that comes page by page: its rows in a table, more of them when asked, or why there is none.

import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { Page } from "../api/types";
import { Shown } from "./State";
import { Table, type TableProps } from "./Table";

type Props<T> = Omit<TableProps<T>, "rows" | "more" | "loadingMore" | "stale"> & {
  of: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  nothing: ReactNode;
};

export function Listed<T extends object>({ of, nothing, ...table }: Props<T>) {
  return (
    <Shown of={of}>
      {({ pages }) => {
        const rows = pages.flatMap((page) => page.items);
        return rows.length === 0 ? (
          nothing
        ) : (
          <Table
            {...table}
            rows={rows}
            more={of.hasNextPage ? () => void of.fetchNextPage() : undefined}
            loadingMore={of.isFetchingNextPage}
            stale={of.isPlaceholderData}
          />
        );
      }}
    </Shown>
  );
}
