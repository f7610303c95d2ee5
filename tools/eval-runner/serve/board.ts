import type { Deployment } from '../deployment.ts';
import type { Part, PartName } from '../parts.ts';
import type { ServiceView } from './view.ts';

interface Row {
	readonly part: Part;
	view: ServiceView;
	/** By us: a button, or a case that runs. */
	isStopped: boolean;
	/** Counts stops and starts: what was seen before one says nothing after it. */
	turn: number;
	/** The look that is under way; it is of this turn. */
	looking: Promise<void> | undefined;
	/** The last stop or start. */
	switched: Promise<void>;
}

/** The parts of the stack as the page shows them: how each is, when that was seen, and what stops and starts it. */
export class Board {
	readonly #deployment: Pick<Deployment, 'stop' | 'start'>;
	readonly #onChange: () => void;
	readonly #rows: ReadonlyMap<string, Row>;

	constructor(deployment: Pick<Deployment, 'parts' | 'stop' | 'start'>, onChange: () => void) {
		this.#deployment = deployment;
		this.#onChange = onChange;
		this.#rows = new Map(
			deployment.parts.map((part) => {
				const { name, url, isSwitchable, note } = part;
				const view: ServiceView = { name, url, isSwitchable, state: 'unknown', isChanging: false, ...(note === undefined ? {} : { note }) };
				return [name, { part, view, isStopped: false, turn: 0, looking: undefined, switched: Promise.resolve() }];
			}),
		);
	}

	views(): ServiceView[] {
		return [...this.#rows.values()].map(({ view }) => view);
	}

	isStopped(name: PartName): boolean {
		return this.#rows.get(name)?.isStopped === true;
	}

	/** What was stopped here and still is. */
	stopped(): PartName[] {
		return [...this.#rows.values()].filter(({ isStopped }) => isStopped).map(({ part }) => part.name);
	}

	/** Asks every part how it is; one that is being stopped or started is seen when that is done. */
	async refresh(): Promise<void> {
		await Promise.all([...this.#rows.values()].filter(({ view }) => !view.isChanging).map((row) => this.#look(row)));
		this.#onChange();
	}

	/** Resolves when the part is gone, and that was seen. */
	stop(name: PartName): Promise<void> {
		return this.#switch(name, 'stop');
	}

	/** Resolves when the part answers, and that was seen. */
	start(name: PartName): Promise<void> {
		return this.#switch(name, 'start');
	}

	/** One after the other: a case may start what a button is just stopping. */
	#switch(name: PartName, act: 'stop' | 'start'): Promise<void> {
		const row = this.#rows.get(name)!;
		const done = row.switched.then(async () => {
			this.#turn(row, { isChanging: true });
			try {
				await this.#deployment[act](name);
				row.isStopped = act === 'stop';
			} finally {
				this.#turn(row, {});
				await this.#look(row);
				this.#turn(row, { isChanging: false });
			}
		});
		row.switched = done.catch(() => undefined);
		return done;
	}

	#turn(row: Row, part: Partial<ServiceView>): void {
		row.turn++;
		row.looking = undefined;
		row.view = { ...row.view, ...part };
		this.#onChange();
	}

	#look(row: Row): Promise<void> {
		return (row.looking ??= this.#see(row));
	}

	async #see(row: Row): Promise<void> {
		const { turn } = row;
		const seen = await row.part.look();
		if (row.turn !== turn) return;
		row.looking = undefined;
		const { why: _, ...view } = row.view;
		row.view = {
			...view,
			state: seen === undefined ? 'up' : 'down',
			checkedAtMs: Date.now(),
			...(seen === undefined ? {} : { why: row.isStopped ? 'stopped here' : seen }),
		};
	}
}
