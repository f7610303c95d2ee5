/** Admits one call with a budget and an approval, and is killed before it ends. */
import { randomUUID } from 'node:crypto';
import { aCharge, anEvent, keys } from './ledger-fixture.ts';
import { createAdmission } from './grouped-admission.ts';
import { holdLease } from './store/lease.ts';
import { openStore } from './store/open.ts';

const sql = await openStore(JSON.parse(process.argv[2]!) as { dsn: string; dataDir: string });
const { processId } = await holdLease(sql, { leaseMs: 60_000, onLost: () => process.exit(1) });
const admission = await createAdmission({ sql, stream: processId, keys, onFault: () => process.exit(1) });
const approvalId = randomUUID();
await sql.query(
	`INSERT INTO approvals (id, state, identity, principal, agent, upstream, tool, definition_digest, arguments_digest, sent_digest, recorded, reasons,
		requirements, call_id, decision_id, bundle_revision, expires_at)
	VALUES ($1, 'approved', $1, 'alice@example.com', 'billing-bot', 'stripe', 'create_refund', 'definition', 'arguments', 'sent', '{}', '[]', '[]', 'c', 'd', 'r',
		clock_timestamp() + interval '1 hour')`,
	[approvalId],
);
const answer = await admission.admit({
	event: anEvent({ approvalId }),
	charges: [aCharge({ cost: 12 })],
	claim: { approvalId, sentDigest: 'sent', definitionDigest: 'definition' },
});
if (answer.kind !== 'granted') process.exit(1);
process.kill(process.pid, 'SIGKILL');
