import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gatewayCapabilities } from './capabilities.ts';
import { OpaMissing } from '../../../tools/opa/index.ts';

/** `npm run policy:capabilities`: writes what policies may use, after a change of OPA's version or of the gateway's builtins. */
try {
	await writeFile(join(import.meta.dirname, '../../../policy/capabilities.json'), await gatewayCapabilities());
	console.log('policy/capabilities.json');
} catch (error) {
	if (!(error instanceof OpaMissing)) throw error;
	console.error(`policy:capabilities: ${error.message}`);
	process.exitCode = 2;
}
