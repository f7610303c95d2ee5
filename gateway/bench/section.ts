import type { Row } from './table.ts';

export interface SectionOptions {
	/** Just enough to prove that the harness works; the figures mean nothing. */
	readonly isQuick: boolean;
	/** Told what is going on. */
	readonly say: (line: string) => void;
}

export interface Measured {
	/** For people. */
	readonly rows: readonly Row[];
	/** For machines, kept in `results.json` under the section's name. */
	readonly figures: object;
}

/** What `<section>/section.ts` exports. */
export interface Section {
	/** One line. */
	readonly says: string;
	measure(options: SectionOptions): Promise<Measured>;
}
