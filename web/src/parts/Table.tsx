// A list as a table, sorted by the gateway; on a narrow screen each row becomes a card.

import { Button, Table as Plain, Text } from "@mantine/core";
import { type ColumnDef, tableFeatures, useTable } from "@tanstack/react-table";
import type { ReactNode } from "react";

import { Icon } from "./Icon";

const features = tableFeatures({});

/** A column: its name, what stands in it, and by which field the gateway sorts it. */
export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  sort?: string;
  /** Left out on a narrow screen. */
  minor?: boolean;
  align?: "right";
}

export interface TableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowId: (row: T) => string;
  /** `field` or `-field`. */
  sort?: string | undefined;
  onSort?: (sort: string) => void;
  more?: (() => void) | undefined;
  loadingMore?: boolean;
  stale?: boolean;
}

export function Table<T extends object>({ label, columns, rows, rowId, sort, onSort, more, loadingMore, stale }: TableProps<T>) {
  const defs: ColumnDef<typeof features, T>[] = columns.map(({ id, header }) => ({ id, header, accessorFn: (row: T) => row }));
  const table = useTable({ features, data: rows, columns: defs, getRowId: rowId });
  const column = (id: string) => columns.find((one) => one.id === id) as Column<T>;
  return (
    <div className="table-frame" data-stale={stale || undefined}>
      <div className="table-scroll" role="region" aria-label={label} tabIndex={0}>
        <Plain className="table" verticalSpacing="sm" highlightOnHover>
          <Plain.Thead>
            {table.getHeaderGroups().map((group) => (
              <Plain.Tr key={group.id}>
                {group.headers.map(({ id, column: { id: of } }) => {
                  const { header, sort: field, align, minor } = column(of);
                  const own = sort?.replace(/^-/, "") === field && field !== undefined;
                  const down = own && sort?.startsWith("-");
                  const order = own ? (down ? "descending" : "ascending") : undefined;
                  return (
                    <Plain.Th key={id} data-align={align} data-minor={minor || undefined} aria-sort={order}>
                      {field && onSort ? (
                        <button
                          type="button"
                          className="table-sort"
                          data-own={own || undefined}
                          onClick={() => onSort(own && !down ? `-${field}` : field)}
                        >
                          {header}
                          <Icon sign={own ? (down ? "down" : "up") : "down"} size={12} />
                        </button>
                      ) : (
                        header
                      )}
                    </Plain.Th>
                  );
                })}
              </Plain.Tr>
            ))}
          </Plain.Thead>
          <Plain.Tbody>
            {table.getRowModel().rows.map((row) => (
              <Plain.Tr key={row.id}>
                {columns.map(({ id, header, cell, align, minor }) => (
                  <Plain.Td key={id} data-label={header} data-align={align} data-minor={minor || undefined}>
                    {cell(row.original)}
                  </Plain.Td>
                ))}
              </Plain.Tr>
            ))}
          </Plain.Tbody>
        </Plain>
      </div>
      {more ? (
        <div className="table-more">
          <Button variant="default" size="sm" onClick={more} loading={loadingMore ?? false}>
            Show more
          </Button>
          <Text size="sm" c="dimmed">
            {rows.length} shown
          </Text>
        </div>
      ) : null}
    </div>
  );
}
