import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject, JsonValue } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import type { RpcRequest } from '../message.ts';
import { shortText } from '../short-text.ts';
import { META, REVISION } from './revision.ts';

/** What one request says of its agent. */
export interface Envelope {
	readonly capabilities: JsonObject;
	readonly name?: string;
	readonly version?: string;
	/** The least level of log messages that it wants to hear; without one, none. */
	readonly logLevel?: string;
}

/** @throws {ToolGateError} INVALID_ENVELOPE: a key of `_meta` is missing or of the wrong kind; HEADER_MISMATCH; UNSUPPORTED_REVISION */
export function readEnvelope({ method, params }: RpcRequest, headers: IncomingHttpHeaders): Envelope {
	const meta = isObject(params['_meta']) ? params['_meta'] : {};
	const {
		[META.protocolVersion]: revision,
		[META.clientCapabilities]: capabilities,
		[META.clientInfo]: info,
		[META.logLevel]: logLevel,
	} = meta;
	if (typeof revision !== 'string') throw invalid(META.protocolVersion, revision, 'a text');
	if (!isObject(capabilities)) throw invalid(META.clientCapabilities, capabilities, 'an object');
	if (info !== undefined && !isObject(info)) throw invalid(META.clientInfo, info, 'an object');
	if (logLevel !== undefined && typeof logLevel !== 'string') throw invalid(META.logLevel, logLevel, 'a text');

	demandEqual('MCP-Protocol-Version', headers['mcp-protocol-version'], revision, META.protocolVersion);
	if (revision !== REVISION) {
		throw new ToolGateError('UNSUPPORTED_REVISION', `MCP ${revision.slice(0, 40)} is not spoken here without a session`, {
			data: { supported: [REVISION], requested: revision },
		});
	}
	demandEqual('Mcp-Method', headers['mcp-method'], method, 'method');
	const member = Object.hasOwn(NAMED_BY, method) ? (NAMED_BY[method] as string) : undefined;
	const named = member === undefined ? undefined : params[member];
	if (typeof named === 'string') demandEqual('Mcp-Name', decoded('Mcp-Name', headers['mcp-name']), named, `params.${member}`);

	const name = shortText(info?.['name']);
	const version = shortText(info?.['version']);
	return {
		capabilities,
		...(name === undefined ? {} : { name }),
		...(version === undefined ? {} : { version }),
		...(logLevel === undefined ? {} : { logLevel }),
	};
}

/** Which member of the parameters `Mcp-Name` repeats. */
const NAMED_BY: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

/** `Mcp-Param-*`, as the tool's schema wants them. @param expected names and encoded values in turn @throws {ToolGateError} HEADER_MISMATCH */
export function demandParameterHeaders(expected: readonly string[], headers: IncomingHttpHeaders): void {
	for (let i = 0; i < expected.length; i += 2) {
		const name = expected[i] as string;
		const value = decoded(name, expected[i + 1]) as string;
		const sent = decoded(name, headers[name.toLowerCase()]);
		// `42.0` and `42` are one number.
		if (sent !== value && (sent === undefined || !/^-?\d+(\.\d+)?$/.test(sent) || Number(sent) !== Number(value)))
			throw mismatch(name, sent, value, 'the argument');
	}
}

function demandEqual(header: string, sent: string | string[] | undefined, expected: string, of: string): void {
	if (sent !== expected) throw mismatch(header, sent, expected, of);
}

function mismatch(header: string, sent: string | string[] | undefined, expected: string, of: string): ToolGateError {
	const said = sent === undefined ? 'is missing' : `says ${JSON.stringify(String(sent).slice(0, 100))}`;
	return new ToolGateError(
		'HEADER_MISMATCH',
		`the header ${header} ${said}, and ${of} in the body is ${JSON.stringify(expected.slice(0, 100))}`,
	);
}

/** The text of a header value that may be in base64 (`=?base64?…?=`), because headers are ASCII. @throws {ToolGateError} HEADER_MISMATCH */
function decoded(header: string, value: string | string[] | undefined): string | undefined {
	if (typeof value !== 'string') return undefined;
	const [, encoded] = /^=\?base64\?(.*)\?=$/.exec(value) ?? [];
	if (encoded === undefined) return value;
	const bytes = Buffer.from(encoded, 'base64');
	const text = bytes.toString();
	// Only one way to write a text: readers that are more lenient must not see another one.
	if (bytes.toString('base64') !== encoded || !Buffer.from(text).equals(bytes))
		throw new ToolGateError('HEADER_MISMATCH', `the header ${header} is not text in base64`);
	return text;
}

function invalid(key: string, value: JsonValue | undefined, kind: string): ToolGateError {
	const problem = value === undefined ? 'missing' : `not ${kind}`;
	return new ToolGateError(
		'INVALID_ENVELOPE',
		`params._meta[${JSON.stringify(key)}] is ${problem}: every request of MCP ${REVISION} has it`,
		{ data: { key, problem } },
	);
}
