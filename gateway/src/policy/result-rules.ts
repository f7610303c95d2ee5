/** The table by which a compiled policy finds its rules at run time names them so; a string of Rego stands there without the quotes. */
const RULE = '"result_finding"';
/** Of the shipped decision library, which asks for the rules above. */
const LIBRARY = '"result_findings"';

/**
 * Whether a compiled policy may have something to say of results, and so of what an upstream says before it. Of one that was not made with
 * the shipped library nobody can tell: it may.
 */
export function mayJudgeResults(wasm: Uint8Array): boolean {
	const bytes = Buffer.from(wasm.buffer, wasm.byteOffset, wasm.byteLength);
	return bytes.includes(RULE) || !bytes.includes(LIBRARY);
}
