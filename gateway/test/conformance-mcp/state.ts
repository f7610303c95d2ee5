import { createHmac, timingSafeEqual } from 'node:crypto';
import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';

/** The fixture's own `requestState`, signed as the specification wants it. */
const macOf = (state: string): Buffer => createHmac('sha256', 'the key of the fixture').update(state).digest();

export const sealState = (state: string): string => `${Buffer.from(state).toString('base64url')}.${macOf(state).toString('base64url')}`;

/** @throws {ProtocolError} it was tampered with */
export function openState(sealed: string | undefined): string | undefined {
	if (sealed === undefined) return undefined;
	const [text = '', mac = ''] = sealed.split('.');
	const state = Buffer.from(text, 'base64url').toString();
	const given = Buffer.from(mac, 'base64url');
	if (sealState(state) !== sealed || !timingSafeEqual(given, macOf(state)))
		throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'requestState was tampered with');
	return state;
}
