/**
 * Does a backend compute what the CPU does? Run once when a device is opened.
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
  "gradient of a softmax layer": () =>
    tf.grad((weights: Tensor) =>
      tf.mean(tf.square(tf.softmax(tf.matMul(tf.tensor2d(values(20, 1), [5, 4]), weights as tf.Tensor2D))))
    )(tf.tensor2d(values(12, 1), [4, 3])),
};

/**
 * Compares a matrix product, a convolution and a gradient with the CPU's.
 *
 * @param backend A backend that has been set up.
 * @param what The device, for the message.
 * @throws {DeviceError} If one differs.
 */
export async function selfTest(backend: string, what: string): Promise<void> {
  for (const [name, compute] of Object.entries(CHECKS)) {
    const expected = withBackend("cpu", () => tf.tidy(compute));
    const found = withBackend(backend, () => tf.tidy(compute));
    const [a, b] = await Promise.all([found.data<"float32">(), expected.data<"float32">()]);
    tf.dispose([expected, found]);
    const scale = b.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const wrong = b.findIndex((value, i) => !(Math.abs(value - a[i]!) <= TOLERANCE * scale));
    if (wrong >= 0) {
      throw new DeviceError(
        `Refused ${what}: it computes wrongly. In the ${name}, element ${wrong} is ${a[wrong]}; expected ${
          b[wrong]
        }. ` +
          'Update its driver, or use device "cpu".',
      );
    }
  }
}
