import '@mantine/core/styles.css';
import { Center, MantineProvider, Text } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { InboxPage } from '../inbox/inbox-page.tsx';
import { SignInPage } from '../shell/sign-in-page.tsx';
import { lookAgain, useSession } from '../shell/session.ts';
import { contrast, theme } from '../shell/theme.ts';

const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

function Console() {
	const state = useSession();
	switch (state.kind) {
		case 'loading':
			return null;
		case 'signed out':
			return <SignInPage />;
		case 'unreachable':
			return (
				<Center mih="100vh" p="md">
					<Text role="alert">{state.why}. Load the page again when it is back.</Text>
				</Center>
			);
		case 'signed in':
			return <InboxPage session={state.session} />;
	}
}

void lookAgain();
createRoot(document.getElementById('root')!).render(
	<StrictMode>
		<MantineProvider theme={theme} cssVariablesResolver={contrast} defaultColorScheme="auto" getStyleNonce={() => nonce}>
			<Console />
		</MantineProvider>
	</StrictMode>,
);
