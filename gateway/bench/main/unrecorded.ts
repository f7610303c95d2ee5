import type { Admission, Admitted } from '../../src/admission.ts';
import { LeasedAdmission } from '../../src/leased-admission.ts';

/** Grants everything and records nothing. */
class Unrecorded implements Admission {
	readonly isHeld = true;
	readonly stream = 'unrecorded';

	async admit(): Promise<Admitted> {
		return { kind: 'granted' };
	}

	async settle(): Promise<void> {}

	async refuse(): Promise<void> {}

	async close(): Promise<void> {}
}

/**
 * Makes every gateway that this process composes from now on forget its calls, so that their cost without the ledgers can be measured. The
 * product has no such switch, and shall have none: a way past the record would be used.
 */
export function recordNothing(): void {
	LeasedAdmission.open = async () => new Unrecorded() as unknown as LeasedAdmission;
}
