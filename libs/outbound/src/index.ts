export { createOutbound, type Outbound, type OutboundOptions } from './outbound.ts';
export { isNetwork } from './networks.ts';
