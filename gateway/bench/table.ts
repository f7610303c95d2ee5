/** Cells by column. */
export type Row = Readonly<Record<string, string>>;

/** Columns as wide as they have to be; numbers to the right. */
export function table(rows: readonly Row[]): string {
	const columns = Object.keys(rows[0] ?? {});
	const header = Object.fromEntries(columns.map((column) => [column, column]));
	const widths = columns.map((column) => Math.max(...[header, ...rows].map((row) => row[column]!.length)));
	const isNumeric = columns.map((column) => rows.every((row) => /^[^a-zA-Z]*$/.test(row[column]!)));
	const lineOf = (row: Row): string =>
		columns.map((column, n) => (isNumeric[n] ? row[column]!.padStart(widths[n]!) : row[column]!.padEnd(widths[n]!))).join('  ');
	return [header, ...rows].map((row) => lineOf(row).trimEnd()).join('\n');
}
