import type { JsonObject, JsonValue, Tool } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import type { Sql } from '../store/sql.ts';
import { loadLists, movePin, PINS_CHANNEL, readFirstSeen, readPins, saveList } from './capability-store.ts';
import { type CapabilitySource, discover } from './discovery.ts';
import { Naming } from './naming.ts';
import type { ItemKind, Offered } from './offered-item.ts';
import { OfferedTool } from './offered-tool.ts';
import { retryAfterMs, Schedule } from './schedule.ts';
import { UpstreamItems } from './upstream-items.ts';
import { UpstreamList } from './upstream-list.ts';

export type { CapabilitySource, Offered };

export interface CapabilitySettings {
	readonly refreshSeconds: number;
	/** Who accepts a new tool. */
	readonly pins: 'first-sight' | 'operator';
}

export interface CapabilitiesOptions {
	readonly sources: readonly CapabilitySource[];
	/** By the names of the sources. */
	readonly settings: Readonly<Record<string, CapabilitySettings>>;
	readonly sql: Sql;
	/** The least time between two looks at one upstream, and between two changes told; one second. */
	readonly quietMs?: number;
}

export interface CapabilityStatus {
	readonly name: string;
	/** `up`: its list was just read; `cached`: it can't be, and the last good one serves; `down`: there is none. */
	readonly state: 'up' | 'cached' | 'down';
	readonly toolCount: number;
	readonly quarantinedCount: number;
	/** Resources, templates and prompts together. */
	readonly itemCount: number;
	/** When its list was last read; milliseconds since the epoch. */
	readonly lastSeenMs?: number;
	/** Why the list could not be read. */
	readonly why?: string;
}

/** What agents ask for as one list, and are told of as one. */
export type ListKind = 'tools' | 'resources' | 'prompts';

interface Entry {
	source: CapabilitySource;
	settings: CapabilitySettings;
	readonly list: UpstreamList;
	readonly items: UpstreamItems;
	readonly schedule: Schedule;
	/** Absent after a good look; before the first one it says so. */
	why: string | undefined;
	/** Looks in turn that failed, or found not all. */
	failures: number;
}

/** What all upstreams offer, as last seen: in memory for whoever asks, in the store for the next start. */
export class Capabilities {
	readonly #sql: Sql;
	readonly #quietMs: number;
	#entries: ReadonlyMap<string, Entry> = new Map();
	#naming = new Naming([]);
	readonly #listeners = new Set<(changed: ReadonlySet<ListKind>) => void>();
	readonly #telling: Schedule;
	#changed = new Set<ListKind>();
	#byListedName: ReadonlyMap<string, OfferedTool> = new Map();
	#all: readonly OfferedTool[] = [];
	#loading: Promise<void> | undefined;
	#stopListening: (() => Promise<void>) | undefined;

	/** @throws {ToolGateError} CONFIG: names of upstreams under which tools could collide. */
	constructor({ sources, settings, sql, quietMs = 1_000 }: CapabilitiesOptions) {
		this.#sql = sql;
		this.#quietMs = quietMs;
		this.#telling = new Schedule(quietMs, async () => {
			const changed = this.#changed;
			this.#changed = new Set();
			for (const listener of this.#listeners) listener(changed);
		});
		this.#arrange(sources, settings);
	}

	/**
	 * Puts other upstreams in place of these. What is known of one that stays is kept until it was read anew, also when it is reached in
	 * another way now. Resolves when what the store knows of new ones was read, or could not be.
	 * @throws {ToolGateError} CONFIG, and nothing has changed.
	 */
	async configure(sources: readonly CapabilitySource[], settings: CapabilitiesOptions['settings']): Promise<void> {
		const before = this.#entries;
		this.#arrange(sources, settings);
		for (const [name, { schedule }] of before) if (!this.#entries.has(name)) schedule.close();
		this.#index('tools', 'resources', 'prompts');
		this.#loading = undefined;
		await this.start();
	}

	#arrange(sources: readonly CapabilitySource[], settings: CapabilitiesOptions['settings']): void {
		for (const { name } of sources) {
			// `a__b` over `c` and `a` over `b__c` would be one name; and so would `a_` over `b` and `a` over `_b`.
			if (sources.length > 1 && /__|_$/.test(name))
				throw new ToolGateError(
					'CONFIG',
					`upstreams.${name}: with several upstreams a name has no __ and no _ at its end, because tools are listed as <upstream>__<tool>`,
				);
		}
		const naming = new Naming(sources.map(({ name }) => name));
		const isRenamed = naming.isPrefixed !== this.#naming.isPrefixed;
		this.#naming = naming;
		this.#entries = new Map(
			sources.map((source) => {
				const { name } = source;
				const known = this.#entries.get(name);
				if (known === undefined) {
					const schedule = new Schedule(this.#quietMs, () => this.#look(name));
					const entry: Entry = {
						source,
						settings: settings[name]!,
						list: new UpstreamList(name, naming),
						items: new UpstreamItems(name),
						schedule,
						why: 'not asked yet',
						failures: 0,
					};
					return [name, entry];
				}
				if (known.source !== source) known.failures = 0;
				known.source = source;
				known.settings = settings[name]!;
				if (isRenamed) {
					known.list.rename(naming);
					known.items.rename(naming);
				}
				return [name, known];
			}),
		);
	}

	/** Serves what the store has, then asks every upstream, each on its own. Resolves when the store was read, or could not be. */
	async start(): Promise<void> {
		await this.#load().catch(() => {}); // every look tries again, and its status says why
		for (const { schedule } of this.#entries.values()) schedule.soon();
	}

	/** The tool under the name that agents use; a quarantined one too. */
	find(listedName: string): Tool | undefined {
		return this.#byListedName.get(listedName);
	}

	/** Every tool, quarantined ones too, in the order of the configuration and of each upstream. */
	tools(): readonly OfferedTool[] {
		return this.#all;
	}

	/** How agents call what upstreams offer. */
	get naming(): Naming {
		return this.#naming;
	}

	/** Resources, in the order of the configuration and of each upstream; quarantined ones too. */
	resources(): readonly Offered[] {
		return this.#items('resource');
	}

	resourceTemplates(): readonly Offered[] {
		return this.#items('resourceTemplate');
	}

	prompts(): readonly Offered[] {
		return this.#items('prompt');
	}

	/** The prompt under the name that agents use; a quarantined one too. */
	findPrompt(listedName: string): Offered | undefined {
		for (const { source, items } of this.#entries.values()) {
			const prefix = this.#naming.listedName(source.name, '');
			const found = listedName.startsWith(prefix) ? items.of('prompt').get(listedName.slice(prefix.length)) : undefined;
			if (found !== undefined) return found;
		}
		return undefined;
	}

	/** The template under the text that agents use; a quarantined one too. */
	findTemplate(listedUriTemplate: string): Offered | undefined {
		const found = this.#naming.unwrapUri(listedUriTemplate);
		return found && this.#entries.get(found.upstream)?.items.of('resourceTemplate').get(found.uri);
	}

	/** The resource under the URI that agents use, listed or not; a quarantined one too. */
	findResource(listedUri: string): Offered | undefined {
		const found = this.#naming.unwrapUri(listedUri);
		return found && this.#entries.get(found.upstream)?.items.findResource(found.uri, this.#naming);
	}

	/** An upstream named a resource in a result, by its own URI: from now on agents may ask for it. */
	resourceNamed(upstream: string, uri: string): void {
		this.#entries.get(upstream)?.items.named(uri);
	}

	/** What an upstream declared in its last good answer to `initialize`; empty where there was none. */
	upstreamCapabilities(upstream: string): JsonObject {
		const declared = this.initializeResult(upstream)?.['capabilities'];
		return typeof declared === 'object' && declared !== null && !Array.isArray(declared) ? declared : {};
	}

	/** The last good answer of an upstream to `initialize`. */
	initializeResult(upstream: string): JsonObject | undefined {
		return this.#entries.get(upstream)?.list.initialize;
	}

	/** Whether structured content, redacted perhaps, still fits the tool's output schema. */
	fitsOutputSchema(tool: Tool, structuredContent: JsonValue | undefined): boolean {
		return tool instanceof OfferedTool && tool.fitsOutputSchema(structuredContent);
	}

	status(): CapabilityStatus[] {
		return [...this.#entries.values()].map(({ source, list, items, why }) => ({
			name: source.name,
			state: why === undefined ? 'up' : list.initialize === undefined ? 'down' : 'cached',
			toolCount: list.tools.length,
			quarantinedCount: list.tools.filter(({ quarantine }) => quarantine !== undefined).length,
			itemCount: items.of('resource').size + items.of('resourceTemplate').size + items.of('prompt').size,
			...(list.seenMs === undefined ? {} : { lastSeenMs: list.seenMs }),
			...(why === undefined ? {} : { why }),
		}));
	}

	/** Calls the listener with the lists that have changed, at most once in a quiet time; by then they are served. Returns how to stop. */
	onListChanged(listener: (changed: ReadonlySet<ListKind>) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** What the upstream offers may have changed: looks soon, and never twice in a quiet time. */
	stale(upstream: string): void {
		this.#entries.get(upstream)?.schedule.soon();
	}

	/** Looks at an upstream now; resolves when it was looked at. Never rejects: `status` says how it went. */
	async refresh(upstream: string): Promise<void> {
		await this.#entries.get(upstream)?.schedule.now();
	}

	/**
	 * The tool as it is defined now, where an operator may accept it.
	 * @throws {ToolGateError} NOT_FOUND; CONFLICT: it is not `digest`, since it changed after the operator looked, or can't be accepted.
	 */
	acceptable(upstream: string, tool: string, digest?: string): OfferedTool {
		const current = this.#entries.get(upstream)?.list.tools.find(({ name }) => name === tool);
		if (current === undefined) throw new ToolGateError('NOT_FOUND', `${upstream} has no tool ${tool}`);
		if (digest !== undefined && digest !== current.digest)
			throw new ToolGateError('CONFLICT', `${tool} is ${current.digest} now: it changed again`);
		if (!current.isAcceptable) throw new ToolGateError('CONFLICT', `${tool} can't be accepted: ${current.quarantine}`);
		return current;
	}

	/** Accepts a tool as it is defined now, or only as `digest` if given. The caller records the act. @throws {ToolGateError} as `acceptable` */
	async accept(upstream: string, tool: string, digest?: string): Promise<OfferedTool> {
		const current = this.acceptable(upstream, tool, digest);
		await movePin(this.#sql, upstream, tool, current.digest);
		await this.#readPins(this.#entries.get(upstream)!);
		return this.acceptable(upstream, tool);
	}

	/** When each definition that is listed now was first seen, by digest; milliseconds on the database's clock. @throws {StoreUnavailable} */
	async lastChanges(): Promise<ReadonlyMap<string, number>> {
		return readFirstSeen(
			this.#sql,
			this.#all.map(({ digest }) => digest),
		);
	}

	/** No more looks. One under way ends on its own, and may still be kept. */
	async close(): Promise<void> {
		this.#telling.close();
		for (const { schedule } of this.#entries.values()) schedule.close();
		await this.#stopListening?.();
	}

	/** Reads the store once; what failed is tried again by the next one who asks. */
	#load(): Promise<void> {
		return (this.#loading ??= this.#readStore().catch((error) => {
			this.#loading = undefined;
			throw error;
		}));
	}

	async #readStore(): Promise<void> {
		this.#stopListening ??= await this.#sql.listen(PINS_CHANNEL, (upstream) => void this.#onPinMoved(upstream));
		for (const { upstream, initialize, definitions, items, seenMs } of await loadLists(this.#sql)) {
			const entry = this.#entries.get(upstream);
			if (entry === undefined || entry.list.initialize !== undefined) continue;
			const inspected = await entry.list.inspect(definitions);
			entry.list.adopt(initialize, inspected, await readPins(this.#sql, upstream, inspected));
			entry.items.adopt(items, this.#naming);
			entry.list.seenMs = seenMs;
		}
		this.#index('tools', 'resources', 'prompts');
	}

	/** One look at one upstream. What fails leaves the last good list as it is. Returns when to look again, in milliseconds. */
	async #look(upstream: string): Promise<number> {
		const entry = this.#entries.get(upstream)!;
		const { refreshSeconds, pins } = entry.settings;
		try {
			await this.#load();
			const { initialize, definitions, items, problem } = await discover(entry.source);
			const inspected = await entry.list.inspect(definitions);
			const pinnable = pins === 'first-sight' ? inspected.filter(({ flaw }) => flaw === undefined) : [];
			// What could not be read is kept as it was.
			const read = { initialize, listed: inspected, pinnable, items: { ...entry.items.definitions, ...items } };
			const accepted = await saveList(this.#sql, upstream, read);
			const changed = new Set<ListKind>(entry.items.adopt(items, this.#naming).map((kind) => LIST_OF[kind]));
			if (entry.list.adopt(initialize, inspected, accepted)) changed.add('tools');
			entry.list.seenMs = this.#sql.nowMs();
			entry.why = problem;
			if (changed.size > 0) this.#index(...changed);
		} catch (error) {
			entry.why = (error as Error).message;
		}
		entry.failures = entry.why === undefined ? 0 : entry.failures + 1;
		return Math.min(refreshSeconds * 1_000, retryAfterMs(entry.failures));
	}

	async #onPinMoved(upstream: string): Promise<void> {
		const moved = upstream === '' ? [...this.#entries.values()] : [this.#entries.get(upstream)].filter((entry) => entry !== undefined);
		// What can't be read now is read with the next look.
		await Promise.all(moved.map((entry) => this.#readPins(entry).catch(() => {})));
	}

	async #readPins(entry: Entry): Promise<void> {
		if (entry.list.judge(await readPins(this.#sql, entry.source.name, entry.list.listed))) this.#index('tools');
	}

	#items(kind: ItemKind): Offered[] {
		return [...this.#entries.values()].flatMap(({ items }) => [...items.of(kind).values()]);
	}

	#index(...changed: ListKind[]): void {
		this.#all = [...this.#entries.values()].flatMap(({ list }) => list.tools);
		this.#byListedName = new Map(this.#all.map((tool) => [tool.listedName, tool]));
		for (const kind of changed) this.#changed.add(kind);
		this.#telling.soon();
	}
}

const LIST_OF = { resource: 'resources', resourceTemplate: 'resources', prompt: 'prompts' } as const satisfies Record<ItemKind, ListKind>;
