import pg from 'pg';

/** How values come back, by type OID and the same on every driver: see `SqlExecutor.query`. */

type Decode = (text: string) => unknown;

const OID = { int8: 20, timestamptz: 1184, date: 1082, timestamp: 1114 } as const;
const ARRAY_OID = { int8: 1016, timestamptz: 1185, date: 1182, timestamp: 1115, numeric: 1231 } as const;
const TEXT_ARRAY_OID = 1009;

const builtin = (oid: number): Decode => pg.types.getTypeParser(oid);
const parseTimestamp = builtin(OID.timestamptz);
const splitArray = builtin(TEXT_ARRAY_OID);

function int8(text: string): number | bigint {
	const value = Number(text);
	return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** Ms since the epoch; ±Infinity for the database's infinities. */
const timestamptz = (text: string): number => Number(parseTimestamp(text));

const asText = (text: string): string => text;

const arrayOf =
	(element: Decode): Decode =>
	(text) => {
		const decode = (value: unknown): unknown =>
			Array.isArray(value) ? value.map(decode) : value === null ? null : element(value as string);
		return decode(splitArray(text));
	};

const decoders = new Map<number, Decode>([
	[OID.int8, int8],
	[OID.timestamptz, timestamptz],
	[OID.date, asText],
	[OID.timestamp, asText],
	[ARRAY_OID.int8, arrayOf(int8)],
	[ARRAY_OID.timestamptz, arrayOf(timestamptz)],
	[ARRAY_OID.date, arrayOf(asText)],
	[ARRAY_OID.timestamp, arrayOf(asText)],
	[ARRAY_OID.numeric, arrayOf(asText)],
]);

export const wireTypes = {
	getTypeParser: ((oid: number, format?: 'text') =>
		decoders.get(oid) ?? pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};
