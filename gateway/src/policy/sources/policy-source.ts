import { FileSource } from './file-source.ts';
import type { BundleSource } from './bundle-source.ts';

export function policySourceOf({ policy }: { policy: { bundle: string } }): { source: BundleSource } {
	return { source: new FileSource(policy.bundle) };
}
