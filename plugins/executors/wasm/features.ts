/**
 * What this machine's WebAssembly can do.
 *
 * @module
 */

/** What generated modules build on. */
export interface WasmFeatures {
  /** Threads that the machine runs at the same time. */
  readonly threads: number;
  /** Vectors of four float32. */
  readonly simd: boolean;
  /** Products that are added without being rounded before. */
  readonly relaxedSimd: boolean;
  /** Memory that threads share. */
  readonly sharedMemory: boolean;
}

const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** `(memory 1 1 shared)` */
const SHARED_MEMORY = [...HEAD, 0x05, 0x04, 0x01, 0x03, 0x01, 0x01];

/** A module whose one function drops what a vector instruction makes of zeros. */
function vectorModule(operands: number, opcode: readonly number[]): Uint8Array<ArrayBuffer> {
  const zero = [0xfd, 0x0c, ...Array<number>(16).fill(0)];
  const code = [0x00, ...Array.from({ length: operands }, () => zero).flat(), 0xfd, ...opcode, 0x1a, 0x0b];
  return Uint8Array.from([
    ...HEAD,
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, code.length + 2, 0x01, code.length, ...code],
  ]);
}

/**
 * Looks what this machine's WebAssembly can do.
 *
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const { threads, simd } = wasmFeatures();
 * assert(simd && threads >= 1);
 * ```
 */
export function wasmFeatures(): WasmFeatures {
  return {
    threads: navigator.hardwareConcurrency,
    simd: WebAssembly.validate(vectorModule(2, [0xe4, 0x01])),
    relaxedSimd: WebAssembly.validate(vectorModule(3, [0x85, 0x02])),
    sharedMemory: WebAssembly.validate(Uint8Array.from(SHARED_MEMORY)),
  };
}
