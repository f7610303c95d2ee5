import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where a gateway runs that `npm run ui:dev` shows the console of. */
const gateway = process.env['TOOLGATE_UI_GATEWAY'] ?? 'http://127.0.0.1:18081';

export default defineConfig({
	plugins: [react()],
	// Each server that serves a page puts a fresh nonce in its place.
	html: { cspNonce: '__CSP_NONCE__' },
	build: {
		target: 'es2024',
		// The first that know light-dark(): written for older ones, it would ignore the scheme that a person chose.
		cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
		// The policy of the page admits no data: scripts or styles, and few images.
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		rolldownOptions: { input: { console: 'ui/console.html', evals: 'ui/evals.html' } },
		chunkSizeWarningLimit: 1000,
	},
	server: { proxy: { '/api': gateway, '/sign-in': gateway } },
});
