import { spawn } from 'node:child_process';
import { OpaMissing, opaPath } from './index.ts';

/** `npm run opa -- …`: the pinned OPA with the arguments as given. */
try {
	const child = spawn(await opaPath(), process.argv.slice(2), { stdio: 'inherit' });
	child.once('close', (code) => (process.exitCode = code ?? 1));
} catch (error) {
	if (!(error instanceof OpaMissing)) throw error;
	console.error(`opa: ${error.message}`);
	process.exitCode = 2;
}
