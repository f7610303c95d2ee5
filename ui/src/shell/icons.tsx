import type { ReactNode } from 'react';

/** The few icons of the pages, as strokes in the colour of the text. Each stands beside a word or carries a label. */
function Icon({ children, size = 18 }: { readonly children: ReactNode; readonly size?: number }) {
	return (
		<svg
			width={size}
			height={size}
			viewBox="0 0 24 24"
			fill="none"
			stroke="currentColor"
			strokeWidth={1.8}
			strokeLinecap="round"
			strokeLinejoin="round"
			aria-hidden="true"
			focusable="false"
		>
			{children}
		</svg>
	);
}

export const SunIcon = () => (
	<Icon>
		<circle cx="12" cy="12" r="4" />
		<path d="M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1" />
	</Icon>
);
export const MoonIcon = () => (
	<Icon>
		<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" />
	</Icon>
);
export const InboxIcon = ({ size }: { readonly size?: number }) => (
	<Icon {...(size === undefined ? {} : { size })}>
		<path d="M4 13l2.5-8h11l2.5 8v6H4z" />
		<path d="M4 13h5a3 3 0 0 0 6 0h5" />
	</Icon>
);
export const BackIcon = () => (
	<Icon>
		<path d="M15 5l-7 7 7 7" />
	</Icon>
);
export const MoreIcon = () => (
	<Icon>
		<path d="M5 12v.01M12 12v.01M19 12v.01" strokeWidth={3} />
	</Icon>
);
export const WarningIcon = () => (
	<Icon>
		<path d="M12 4l9 16H3z" />
		<path d="M12 10v4M12 17v.01" />
	</Icon>
);

export const AuditIcon = () => (
	<Icon>
		<path d="M5 6h14M5 12h14M5 18h8" />
	</Icon>
);
export const BudgetIcon = () => (
	<Icon>
		<path d="M5 19V9M12 19V5M19 19v-7" strokeWidth={2.6} />
	</Icon>
);
export const PersonIcon = () => (
	<Icon>
		<circle cx="12" cy="8" r="4" />
		<path d="M4 20c1-4 4-6 8-6s7 2 8 6" />
	</Icon>
);
export const DownloadIcon = () => (
	<Icon size={16}>
		<path d="M12 4v11M7 10.5l5 5 5-5M5 20h14" />
	</Icon>
);
export const PauseIcon = () => (
	<Icon size={14}>
		<path d="M8 5v14M16 5v14" strokeWidth={3} />
	</Icon>
);
export const PlayIcon = () => (
	<Icon size={14}>
		<path d="M8 5l11 7-11 7z" />
	</Icon>
);
export const CloseIcon = () => (
	<Icon>
		<path d="M6 6l12 12M18 6L6 18" />
	</Icon>
);
export const ShieldIcon = () => (
	<Icon size={15}>
		<path d="M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z" />
		<path d="M9 12l2 2 4-4" />
	</Icon>
);

export function Mark() {
	return (
		<svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
			<rect width="32" height="32" rx="7" fill="var(--mantine-color-gate-8)" />
			<path d="M7 25V12a9 9 0 0 1 18 0v13M12.5 25V13m7 12V13M7 18.5h18" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
		</svg>
	);
}
