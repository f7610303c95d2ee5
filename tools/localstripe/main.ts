import { runServer } from '../run-server.ts';
import { buildLocalstripe } from './app.ts';

await runServer('localstripe', 18420, {}, buildLocalstripe);
