import { readFileSync } from 'node:fs';

/** ToolGate's own version, told to upstreams and agents. */
export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
