/** A command ends with one line on standard error. 1: the answer is no. 2: usage or environment. */
export class CommandFailure extends Error {
	override readonly name = 'CommandFailure';
	readonly exitCode: 1 | 2;
	constructor(exitCode: 1 | 2, message: string, options?: ErrorOptions) {
		super(message, options);
		this.exitCode = exitCode;
	}
}
