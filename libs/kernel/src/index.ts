export { type Clock, systemClock } from './clock.ts';
export { DomainError, type DomainErrorCode, type DomainErrorDetails, type Problem } from './domain-error.ts';
export { parseEnvironment } from './environment.ts';
export { idPrefixes, type IdKind, isId, newId } from './ids.ts';
export { createLogScrubber } from './log-scrubber.ts';
export { type Logger, sendConsoleTo, silentLogger } from './logger.ts';
export { originsSetting } from './origins.ts';
export { Secret, secretsIn } from './secret.ts';
export { createTrustedProxies, type TrustedProxies, trustedProxiesSetting } from './trusted-proxies.ts';
