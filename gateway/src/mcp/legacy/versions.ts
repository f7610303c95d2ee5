/** The revisions of the legacy era that agents may speak, the newest first. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
export type LegacyVersion = (typeof LEGACY_VERSIONS)[number];

export const isLegacyVersion = (version: string): version is LegacyVersion => (LEGACY_VERSIONS as readonly string[]).includes(version);

/** A version we know is answered as it is, any other by the newest: the agent then decides whether to go on. */
export const negotiate = (asked: string): LegacyVersion => (isLegacyVersion(asked) ? asked : LEGACY_VERSIONS[0]);

/** From this revision on, streams begin with an event that has an id and no content, so that they can be resumed. */
export const hasPrimingEvent = (version: LegacyVersion): boolean => version >= '2025-11-25';
