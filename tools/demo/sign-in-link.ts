import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A one-time link to the console, asked for with the operator token. @throws {Error} the gateway does not give one. */
export async function signInLink(peopleUrl: string, dataDir: string): Promise<string> {
	const token = process.env['TOOLGATE_OPERATOR_TOKEN'] || readFileSync(join(dataDir, 'operator.token'), 'utf8').trim();
	const response = await fetch(`${peopleUrl}/api/sign-in-links`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
	if (!response.ok) throw new Error(`${peopleUrl}/api/sign-in-links answered ${response.status}`);
	const { path } = (await response.json()) as { path: string };
	return peopleUrl + path;
}
