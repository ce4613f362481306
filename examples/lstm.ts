/**
 * Teaches an LSTM to add: `deno run -A examples/lstm.ts`.
 *
 * It reads two numbers bit by bit, the least significant first, and says the bits of their sum, so that it has to remember the
 * carry. It practises on numbers of 8 bits, and is then asked for sums of 24 bits, three times as long as any it has seen.
 *
 * Options: `--epochs N`, `--samples N`, `--units N`, `--device NAME`, `--executor NAME`, `--seed N`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type HostArray, Model, setRandomSeed, tf } from "@stride/stride";
import { lstm } from "@stride/stride/layers";
import { adam } from "@stride/stride/optimizers";
import { oneDevice } from "@stride/stride/strategies";

const args = parseArgs(Deno.args, {
  string: ["epochs", "samples", "units", "device", "executor", "seed"],
  default: { epochs: "10", samples: "2048", units: "16", device: "auto", executor: "auto" },
  unknown: (option) => {
    console.error(`Unknown option ${option}. The first lines of examples/lstm.ts name them all.`);
    Deno.exit(2);
  },
});
if (args.seed !== undefined) setRandomSeed(Number(args.seed));

/** Two numbers of so many bits, whose sum has one bit more. */
interface Sum {
  readonly a: number;
  readonly b: number;
}

function randomSums(count: number, bits: number): Sum[] {
  const number = (): number => Math.floor(Math.random() * 2 ** bits);
  return Array.from({ length: count }, () => ({ a: number(), b: number() }));
}

/** Bits of both numbers, `[count, bits + 1, 2]`, and of their sums, `[count, bits + 1, 1]`. */
function sequences(sums: readonly Sum[], bits: number): { x: HostArray; y: HostArray } {
  const length = bits + 1;
  const bitsOf = (value: number): number[] => Array.from({ length }, (_, i) => Math.floor(value / 2 ** i) % 2);
  const array = (size: number, values: number[]): HostArray => ({
    shape: [sums.length, length, size],
    dtype: "float32",
    values: Float32Array.from(values),
  });
  const inputs = sums.flatMap(({ a, b }) => {
    const other = bitsOf(b);
    return bitsOf(a).flatMap((bit, i) => [bit, other[i]!]);
  });
  return { x: array(2, inputs), y: array(1, sums.flatMap(({ a, b }) => bitsOf(a + b))) };
}

class Adder extends Model {
  #memory = lstm({ units: Number(args.units), returnSequences: true });
  #head = tf.layers.dense({ units: 1, activation: "sigmoid" });

  override call(x: tf.Tensor): tf.Tensor {
    return this.apply(this.#head, this.apply(this.#memory, x));
  }
}

const model = oneDevice({ device: args.device }).scope(() => new Adder());
model.compile({
  optimizer: adam({ learningRate: 0.01 }),
  loss: "binary_crossentropy",
  metrics: ["binary_accuracy"],
  stepsPerExecution: "auto",
  executor: args.executor,
});
await model.fit(sequences(randomSums(Number(args.samples), 8), 8), { epochs: Number(args.epochs), batchSize: 32 });

const bits = 24;
const unseen = randomSums(200, bits);
const output = await model.predict({ x: sequences(unseen, bits).x }, { batchSize: 200, verbose: 0 }) as tf.Tensor;
const says = await output.data();
const answers = unseen.map((_, row) => {
  let value = 0;
  for (let i = 0; i <= bits; i++) value += Math.round(says[row * (bits + 1) + i]!) * 2 ** i;
  return value;
});
for (const [row, { a, b }] of unseen.slice(0, 5).entries()) {
  const verdict = answers[row] === a + b ? "right" : `wrong: ${a + b}`;
  console.log(`${a} + ${b} = ${answers[row]}, ${verdict}`);
}
const right = unseen.filter(({ a, b }, row) => answers[row] === a + b).length;
console.log(`${right} of ${unseen.length} sums of ${bits} bits are right.`);
