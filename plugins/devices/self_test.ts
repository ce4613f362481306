/**
 * Does a backend compute what the CPU does? Run once, before the first number that its kernels computed is read.
 *
 * @module
 */
import { DeviceError } from "../../core/errors.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { withBackend } from "./engine.ts";

/** How far a result may be from the CPU's, as a part of the largest one. Drivers are off by 3e-4 in some functions. */
const TOLERANCE = 2e-3;

const values = (count: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * scale);

const CHECKS: Readonly<Record<string, () => Tensor>> = {
  "matrix product": () => tf.matMul(tf.tensor2d(values(63, 1), [7, 9]), tf.tensor2d(values(99, 2), [9, 11])),
  "convolution": () =>
    tf.conv2d(
      tf.tensor4d(values(2 * 6 * 6 * 3, 1), [2, 6, 6, 3]),
      tf.tensor4d(values(108, 1), [3, 3, 3, 4]),
      1,
      "same",
    ),
  "elementwise functions": () => {
    const x = tf.tensor1d(values(37, 3));
    const positive = tf.add(tf.abs(x), 0.5);
    return tf.concat1d(
      [tf.exp(x), tf.log(positive), tf.sqrt(positive), tf.tanh(x), tf.div(x, positive)] as tf.Tensor1D[],
    );
  },
  "gradient of a softmax layer": () =>
    tf.grad((weights: Tensor) =>
      tf.mean(tf.square(tf.softmax(tf.matMul(tf.tensor2d(values(20, 1), [5, 4]), weights as tf.Tensor2D))))
    )(tf.tensor2d(values(12, 1), [4, 3])),
};

/**
 * Compares a matrix product, a convolution, elementwise functions and a gradient with the CPU's.
 *
 * @param backend A backend that has been set up.
 * @param what The device, for the message.
 * @param read Reads a result of the backend's.
 * @throws {DeviceError} If one differs.
 */
export async function selfTest(
  { backend, what, read }: {
    readonly backend: string;
    readonly what: string;
    readonly read: (result: Tensor) => Promise<Float32Array>;
  },
): Promise<void> {
  const run = (on: string, read: (result: Tensor) => Promise<Float32Array>): Promise<Float32Array>[] =>
    Object.values(CHECKS).map(async (compute) => {
      const result = withBackend(on, () => tf.tidy(compute));
      try {
        return await read(result);
      } finally {
        result.dispose();
      }
    });
  const [expected, found] = await Promise.all([
    Promise.all(run("cpu", (result) => result.data<"float32">())),
    Promise.all(run(backend, read)),
  ]);
  Object.keys(CHECKS).forEach((name, index) =>
    assertSame({ name, found: found[index]!, expected: expected[index]!, what })
  );
}

/** What was computed twice. */
export interface Comparison {
  /** What was computed, for the message. */
  readonly name: string;
  readonly found: Float32Array;
  readonly expected: Float32Array;
  /** The device, for the message. */
  readonly what: string;
}

/** Refuses a device whose results differ. @throws {DeviceError} Which element, found and expected. */
export function assertSame({ name, found, expected, what }: Comparison): void {
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const wrong = expected.findIndex((value, index) => !(Math.abs(value - found[index]!) <= TOLERANCE * scale));
  if (wrong < 0) return;
  throw new DeviceError(
    `Refused ${what}: it computes wrongly. In the ${name}, element ${wrong} is ${found[wrong]}; expected ` +
      `${expected[wrong]}, within ${TOLERANCE * scale}. Update its driver, or use device "cpu".`,
  );
}
