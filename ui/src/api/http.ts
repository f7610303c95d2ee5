/** Requests to the API of this origin. The browser sends the session by itself; a write also shows the token that only this page could read. */

export class ApiError extends Error {
	override readonly name = 'ApiError';
	readonly status: number;
	readonly code: string;
	constructor(status: number, code: string, message: string) {
		super(message);
		this.status = status;
		this.code = code;
	}
}

let csrfToken = '';
export const rememberCsrfToken = (token: string): void => {
	csrfToken = token;
};

export const get = <T>(path: string): Promise<T> => send<T>('GET', path);
export const post = <T>(path: string, body: object = {}): Promise<T> => send<T>('POST', path, body);
export const remove = (path: string): Promise<void> => send<void>('DELETE', path);

/** @throws {ApiError} what the API refused, in its own words; status 0 when the gateway can't be reached. */
async function send<T>(method: string, path: string, body?: object): Promise<T> {
	let response: Response;
	try {
		response = await fetch(path, {
			method,
			headers: {
				...(body === undefined ? {} : { 'content-type': 'application/json' }),
				...(method === 'GET' ? {} : { 'x-csrf-token': csrfToken }),
			},
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
	} catch {
		throw new ApiError(0, 'UNREACHABLE', 'ToolGate can not be reached; nothing was decided');
	}
	if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
	const { error } = (await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string } };
	throw new ApiError(response.status, error?.code ?? 'UNKNOWN', error?.message ?? `ToolGate answered ${response.status}`);
}
