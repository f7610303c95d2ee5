/** The gateway as `toolgate serve` runs it. Usage: `gateway.ts <configuration file> [unrecorded]` */
import { loadConfig } from '../../src/config.ts';
import { startGateway } from '../../src/start.ts';
import { recordNothing } from './unrecorded.ts';

const [file, variant] = process.argv.slice(2);
if (variant === 'unrecorded') recordNothing();
const gateway = await startGateway(loadConfig(file, {}), new AbortController().signal);
process.once('SIGTERM', () => void gateway.close().then(() => process.exit(0)));
console.log(`${gateway.agentsUrl}/mcp`);
