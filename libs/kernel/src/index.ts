export { type Clock, systemClock } from './clock.ts';
export { DomainError, type DomainErrorCode, type DomainErrorDetails, type Problem } from './domain-error.ts';
export { parseEnvironment } from './environment.ts';
export { idPrefixes, type IdKind, isId, newId } from './ids.ts';
export { type Logger, silentLogger } from './logger.ts';
