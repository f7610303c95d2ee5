import { parseArgs } from 'node:util';
import { buildBundle } from './build.ts';
import { OpaMissing } from './index.ts';
import { PolicyProblems } from './problem.ts';

/** `npm run policy:build -- [--policy folder] [--out bundle.tar.gz]` */
try {
	const { values } = parseArgs({
		options: { policy: { type: 'string', default: 'policy' }, out: { type: 'string', default: 'bundles/toolgate.tar.gz' } },
	});
	const { revision, version, bytes } = await buildBundle({ policyDir: values.policy, out: values.out });
	console.log(`${values.out}  version ${version}  revision ${revision}  ${bytes} bytes`);
} catch (error) {
	if (error instanceof PolicyProblems) {
		console.error(error.message);
		process.exitCode = 1;
	} else if (error instanceof OpaMissing || isUsersMistake(error)) {
		console.error(`policy:build: ${error.message}`);
		process.exitCode = 2;
	} else throw error;
}

/** An unknown option, or a place that can't be read or written. */
function isUsersMistake(error: unknown): error is Error {
	const { code, syscall } = error as { code?: string; syscall?: string };
	return syscall !== undefined || code?.startsWith('ERR_PARSE_ARGS') === true;
}
