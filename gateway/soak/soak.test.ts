import t from 'tap';
import { startPostgres } from '../test/postgres.ts';
import { soakBudgets } from './budgets.ts';
import { soakCalls } from './calls.ts';
import { databaseOn } from './database.ts';
import { isOnce, soakResumes } from './resumes.ts';

/** The short forms of `npm run ledgers:soak` and `npm run approvals:resumes`. */

const server = await startPostgres();

t.test('three processes with random costs, kills and refunds never pass a limit, and the trail says the same as the ledger', async (t) => {
	const report = await soakBudgets({
		dsn: await databaseOn(server, 'budgets'),
		attempts: 4_000,
		kills: 2,
		seed: 7,
		say: (line) => t.comment(line),
	});
	t.match(report, { kills: 2, violations: [] });
	t.ok(report.attempts >= 4_000 && report.granted > 0 && report.refused > 0, JSON.stringify(report));
	t.ok(report.most > report.limit * 0.9 && report.most <= report.limit, `the fullest budget held ${report.most}`);
});

t.test('gateways that are killed under load leave no call without its intent, and no intent without its outcome', async (t) => {
	const report = await soakCalls({
		dsn: await databaseOn(server, 'calls'),
		kills: 2,
		seed: 7,
		isHurried: true,
		say: (line) => t.comment(line),
	});
	t.match(report, { kills: 2, violations: [] });
	t.ok(report.seen > 0 && report.outcomes['ok']! > 0, JSON.stringify(report));
});

t.test('an approval that everybody comes for at once, on two gateways, runs once, and all have its result', async (t) => {
	const report = await soakResumes({ dsn: await databaseOn(server, 'resumes'), resumes: 60, say: (line) => t.comment(line) });
	t.ok(isOnce(report, 60), JSON.stringify(report));
	t.equal(report.refundedCents, 4_200);
});
