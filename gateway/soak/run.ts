/** `npm run ledgers:soak -- [--attempts 1000000] [--kills 1000] [--seed 1]`: budgets and trail under load, with processes killed in the middle. */
import { parseArgs } from 'node:util';
import { startPostgres } from '../test/postgres.ts';
import { soakBudgets } from './budgets.ts';
import { soakCalls } from './calls.ts';
import { databaseOn } from './database.ts';

const { values } = parseArgs({
	options: {
		attempts: { type: 'string', default: '1000000' },
		kills: { type: 'string', default: '1000' },
		seed: { type: 'string', default: '1' },
	},
});
const [attempts, kills, seed] = [values.attempts, values.kills, values.seed].map(Number) as [number, number, number];
if (![attempts, kills, seed].every((number) => Number.isSafeInteger(number) && number >= 0)) {
	console.error('ledgers:soak: --attempts, --kills and --seed are whole numbers');
	process.exit(2);
}

const server = await startPostgres();
const say = (line: string) => console.log(`  ${line}`);
const seconds = (sinceMs: number) => Math.round((performance.now() - sinceMs) / 1000);

let beganMs = performance.now();
console.log(`budgets: ${attempts} attempts from three processes, seed ${seed}`);
const budgets = await soakBudgets({ dsn: await databaseOn(server, 'budgets'), attempts, kills: Math.min(kills, 30), seed, say });
console.log(
	`  ${budgets.attempts} attempts in ${seconds(beganMs)} s: ${budgets.granted} granted, ${budgets.refused} refused; ${budgets.kills} kills, ${budgets.recovered} intents recovered`,
);
console.log(`  the fullest of ${budgets.budgets} budgets ever held ${budgets.most} of ${budgets.limit}`);

beganMs = performance.now();
console.log(`calls: two gateways under load, killed ${kills} times, seed ${seed}`);
const calls = await soakCalls({ dsn: await databaseOn(server, 'calls'), kills, seed, isHurried: false, say });
console.log(
	`  ${calls.begun} calls begun in ${seconds(beganMs)} s, ${calls.seen} seen by the upstream, each after its intent; ${calls.kills} kills`,
);
console.log(
	`  outcomes: ${Object.entries(calls.outcomes)
		.map(([word, count]) => `${count} ${word}`)
		.join(', ')}`,
);

const violations = [...budgets.violations, ...calls.violations];
console.log(violations.length === 0 ? 'nothing was overspent, nothing ran unrecorded' : `VIOLATED:\n${violations.slice(0, 50).join('\n')}`);
process.exit(violations.length === 0 ? 0 : 1);
