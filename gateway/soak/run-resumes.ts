/** `npm run approvals:resumes -- [--resumes 1000]`: one approval, and everybody comes for it at once, on two gateways. */
import { parseArgs } from 'node:util';
import { startPostgres } from '../test/postgres.ts';
import { isOnce, soakResumes } from './resumes.ts';

const { values } = parseArgs({ options: { resumes: { type: 'string', default: '1000' } } });
const resumes = Number(values.resumes);
if (!Number.isSafeInteger(resumes) || resumes < 1) {
	console.error('approvals:resumes: --resumes is a whole number of at least 1');
	process.exit(2);
}

const { dsn } = await startPostgres();
const report = await soakResumes({ dsn, resumes, say: (line) => console.log(`  ${line}`) });
for (const [when, words] of [
	['held when a person approved', report.held],
	['that came afterwards', report.later],
] as const)
	console.log(
		`  of ${resumes} calls ${when}: ${Object.entries(words)
			.map(([word, count]) => `${count} ${word}`)
			.join(', ')}`,
	);
console.log(
	`  those took ${Math.round(report.laterMs)} ms; the upstream was called ${report.calls} times for two refunds, and made ${report.refunds}`,
);
const isRight = isOnce(report, resumes);
console.log(
	isRight ? 'each ran once, and everybody has its result' : `VIOLATED${report.problem === undefined ? '' : `: ${report.problem}`}`,
);
process.exit(isRight ? 0 : 1);
