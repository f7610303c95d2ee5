import { exportTrail } from '../../src/audit/export.ts';
import { createTrail } from '../../src/audit/trail.ts';
import { verifyExport } from '../../src/audit/verify-export.ts';
import type { Store } from '../../src/store/sql.ts';
import type { Figure, Plan } from './section.ts';
import { aCall, aWriter } from './writer.ts';

/** How fast the trail is verified, in the database and as an export, and what an event weighs. */
export async function* measureProof(sql: Store, { provedEvents }: Plan): AsyncGenerator<Figure> {
	await sql.query('TRUNCATE events, streams, intents');
	const admission = await aWriter(sql, 128);
	for (let written = 0; written < provedEvents; written += 1_000)
		await Promise.all(Array.from({ length: Math.min(1_000, provedEvents - written) }, () => admission.admit(aCall())));
	await admission.close();

	const [weight] = await sql.query<{ all: number; bodies: number }>(
		`SELECT (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'events'::regclass)::float8 AS all, sum(length(body))::float8 AS bodies FROM events`,
		[],
	);
	yield {
		what: 'an event with its indexes',
		value: weight!.all / provedEvents,
		unit: 'bytes',
		more: `body ${(weight!.bodies / provedEvents).toFixed(0)}`,
	};

	const inDatabase = await timed(async () => {
		const { isIntact, events, problem } = await createTrail(sql).verify();
		if (!isIntact || events !== provedEvents) throw new Error(`the chain is broken: ${problem}`);
	});
	yield {
		what: 'verify, in the database',
		value: provedEvents / inDatabase.seconds,
		unit: 'events/s',
		more: `${((inDatabase.cpuMs * 1000) / provedEvents).toFixed(1)} µs CPU of this thread per event`,
	};

	const pieces: Buffer[] = [];
	for await (const text of exportTrail(sql, { format: 'jsonl', keyId: '' })) pieces.push(Buffer.from(text));
	const asExport = await timed(async () => {
		const { isIntact, problem } = await verifyExport(fromMemory(pieces), { keys: [], checkpoints: [] });
		if (!isIntact) throw new Error(`the export is broken: ${problem}`);
	});
	yield {
		what: 'verify, an export',
		value: provedEvents / asExport.seconds,
		unit: 'events/s',
		more: `${((asExport.cpuMs * 1000) / provedEvents).toFixed(1)} µs CPU per event: ${(provedEvents / (asExport.cpuMs / 1000)).toFixed(0)} per second of CPU`,
	};
}

async function timed(work: () => Promise<void>): Promise<{ seconds: number; cpuMs: number }> {
	const [beganMs, before] = [performance.now(), process.threadCpuUsage()];
	await work();
	const { user, system } = process.threadCpuUsage(before);
	return { seconds: (performance.now() - beganMs) / 1000, cpuMs: (user + system) / 1000 };
}

async function* fromMemory(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
	yield* pieces;
}
