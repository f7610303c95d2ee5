/** Where bundles come from. It reads; whether a bundle is any good is decided elsewhere. */
export interface BundleSource {
	/** What operators know it by: a path or a URL. */
	readonly says: string;
	/** Use the bundle that was last active until the source answers. */
	readonly isPersisted: boolean;
	/** The bundle's archive as it is now. @throws {ToolGateError} BUNDLE: there is none to be had. */
	read(): Promise<Uint8Array>;
	/** Looks from now on for changes and tells each, until `close`. Resolves after the first look, or when that takes long. */
	watch(listener: SourceListener): Promise<void>;
	close(): Promise<void>;
}

export interface SourceListener {
	/** There is a bundle to look at. Awaited before the next is told. */
	found(packed: Uint8Array): Promise<void>;
	/** The source answered, and has nothing new. */
	unchanged(): void;
	/** The source can't be read: why. Told again while it lasts. */
	failed(why: string): Promise<void>;
}
