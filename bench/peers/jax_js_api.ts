/**
 * What the benchmark uses of jax-js, which is no dependency of the project: it is imported by a name that only running
 * resolves.
 *
 * Every function takes ownership of the arrays that it is given; `ref` makes one more owner.
 *
 * @module
 */

/** The package. */
export const SPECIFIER = "npm:@jax-js/jax@0.1.25";

/** An array, or its stand-in while a function is traced. */
export interface JaxArray {
  readonly ref: JaxArray;
  readonly shape: number[];
  readonly size: number;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  div(other: JaxArray | number): JaxArray;
  sum(axis?: number | number[], options?: { keepdims?: boolean }): JaxArray;
  mean(axis?: number | number[], options?: { keepdims?: boolean }): JaxArray;
  max(axis?: number | number[]): JaxArray;
  reshape(shape: number[]): JaxArray;
  transpose(order: number[]): JaxArray;
  slice(...index: (number | [] | [number, number] | JaxArray)[]): JaxArray;
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
}

/** The module. */
export interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): string;
  jit<F>(body: F): F;
  valueAndGrad<W>(
    loss: (weights: W, x: JaxArray, y: JaxArray) => JaxArray,
  ): (weights: W, x: JaxArray, y: JaxArray) => [JaxArray, W];
  blockUntilReady<T>(tree: T): Promise<T>;
  readonly tree: { ref<T>(tree: T): T; dispose(tree: unknown): void };
  readonly numpy: {
    readonly float32: unknown;
    readonly int32: unknown;
    array(values: Float32Array | Int32Array, options?: { shape?: number[]; dtype?: unknown }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    take(table: JaxArray, indices: JaxArray, axis: number): JaxArray;
    square(x: JaxArray): JaxArray;
    sqrt(x: JaxArray): JaxArray;
    exp(x: JaxArray): JaxArray;
    tanh(x: JaxArray): JaxArray;
  };
  readonly nn: {
    relu(x: JaxArray): JaxArray;
    softmax(x: JaxArray, axis?: number): JaxArray;
    logSoftmax(x: JaxArray, axis?: number): JaxArray;
    oneHot(x: JaxArray, classes: number): JaxArray;
    gelu(x: JaxArray, options?: { approximate?: boolean }): JaxArray;
  };
  readonly lax: {
    conv(x: JaxArray, kernel: JaxArray, strides: number[], padding: "VALID" | "SAME"): JaxArray;
  };
}
