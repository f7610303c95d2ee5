/** What one run is made of. */
export interface Plan {
	/** Of each load, in milliseconds. */
	readonly loadMs: number;
	readonly warmUpMs: number;
	readonly agents: number;
	/** Best of so many. */
	readonly rounds: number;
	/** Numbers of tools in a list, and of tools beside the one that is called. */
	readonly listed: readonly number[];
	readonly beside: readonly number[];
	readonly events: number;
	readonly streams: number;
}

export interface Figure {
	readonly what: string;
	readonly value: number;
	readonly unit: string;
	/** At most. */
	readonly goal?: number;
	/** Other figures of the same run. */
	readonly more?: string;
}
