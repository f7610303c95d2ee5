import type { Deployment } from './deployment.ts';
import type { PartName } from './parts.ts';
import type { Stack } from './stack.ts';
import type { Faults, LarkMode } from './suite.ts';

/**
 * Breaks what a case says, for real: a process is stopped. Resolves with what mends it again.
 * @throws one could not be injected; those before it are mended
 */
export async function injectFaults(
	faults: Faults,
	deployment: Pick<Deployment, 'stop' | 'start'>,
	stack: Stack,
): Promise<() => Promise<void>> {
	const mends: (() => Promise<void>)[] = [];
	const mend = async () => {
		for (const one of mends.splice(0)) await one();
	};
	try {
		for (const [name, fault] of Object.entries(faults) as [PartName, 'down' | LarkMode][]) {
			if (fault === 'down') {
				mends.push(() => deployment.start(name));
				await deployment.stop(name);
			} else {
				const before = await stack.currentLarkMode();
				mends.push(() => stack.larkMode(before));
				await stack.larkMode(fault);
			}
		}
	} catch (error) {
		await mend();
		throw error;
	}
	return mend;
}
