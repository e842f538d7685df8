export const root: string;
export function nxEnvironment(): NodeJS.ProcessEnv;
