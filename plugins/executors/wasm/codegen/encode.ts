/**
 * Puts functions together to a WebAssembly module in the binary format.
 *
 * Source: WebAssembly core specification 3.0, "Binary format"; the threads proposal for shared memory.
 *
 * @module
 */
import { unsigned, type ValueType } from "./instructions.ts";

/** A function, written. */
export interface EncodedFunction {
  /** Types of its parameters. */
  readonly parameters: readonly ValueType[];
  /** Types of what it gives. */
  readonly results: readonly ValueType[];
  /** Types of its other locals. */
  readonly locals: readonly ValueType[];
  /** Its instructions, without the end. */
  readonly body: readonly number[];
}

/** What a module is made of. */
export interface ModuleParts {
  /** Size of the imported shared memory, in pages of 64 KiB. */
  readonly memoryPages: { readonly initial: number; readonly maximum: number };
  /** In the order of their numbers. */
  readonly functions: readonly EncodedFunction[];
  /** Numbers of functions by the name under which they are exported. */
  readonly exports: ReadonlyMap<string, number>;
}

const TYPES: Readonly<Record<Exclude<ValueType, "void">, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  v128: 0x7b,
};

/** The module's bytes. It imports its memory as "env" "memory". */
export function encodeModule({ memoryPages, functions, exports }: ModuleParts): Uint8Array<ArrayBuffer> {
  const types = new Map<string, { index: number; bytes: number[] }>();
  const typeOf = ({ parameters, results }: EncodedFunction): number => {
    const bytes = [0x60, ...list(parameters.map((type) => [code(type)])), ...list(results.map((type) => [code(type)]))];
    const key = bytes.join();
    let known = types.get(key);
    if (known === undefined) types.set(key, known = { index: types.size, bytes });
    return known.index;
  };
  const functionTypes = functions.map((each) => unsigned(typeOf(each)));
  const memory = [...name("env"), ...name("memory"), 0x02, 0x03];
  memory.push(...unsigned(memoryPages.initial), ...unsigned(memoryPages.maximum));
  const bytes: number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  section(bytes, 1, list([...types.values()].map((type) => type.bytes)));
  section(bytes, 2, list([memory]));
  section(bytes, 3, list(functionTypes));
  section(bytes, 7, list([...exports].map(([exported, index]) => [...name(exported), 0x00, ...unsigned(index)])));
  return withCode(bytes, functions.map(encodeFunction));
}

/** The code section is the long one: joined without copying byte by byte twice. */
function withCode(head: readonly number[], bodies: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const count = unsigned(bodies.length);
  const length = bodies.reduce((total, body) => total + body.length, count.length);
  const start = [...head, 10, ...unsigned(length), ...count];
  const bytes = new Uint8Array(start.length + length - count.length);
  bytes.set(start);
  let at = start.length;
  for (const body of bodies) {
    bytes.set(body, at);
    at += body.length;
  }
  return bytes;
}

function encodeFunction({ locals, body }: EncodedFunction): Uint8Array {
  const runs: [number, ValueType][] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  const declared = list(runs.map(([count, type]) => [...unsigned(count), code(type)]));
  const size = unsigned(declared.length + body.length + 1);
  const bytes = new Uint8Array(size.length + declared.length + body.length + 1);
  bytes.set(size);
  bytes.set(declared, size.length);
  bytes.set(body, size.length + declared.length);
  bytes[bytes.length - 1] = 0x0b;
  return bytes;
}

function code(type: ValueType): number {
  if (type === "void") throw new TypeError("Cannot encode a local without a type: expected i32, i64, f32 or v128.");
  return TYPES[type];
}

function section(bytes: number[], id: number, content: readonly number[]): void {
  bytes.push(id, ...unsigned(content.length));
  for (const byte of content) bytes.push(byte);
}

function list(items: readonly (readonly number[])[]): number[] {
  const bytes = [...unsigned(items.length)];
  for (const item of items) for (const byte of item) bytes.push(byte);
  return bytes;
}

function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...unsigned(bytes.length), ...bytes];
}
