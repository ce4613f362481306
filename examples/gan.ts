/**
 * A generative adversarial network that learns to draw a digit: a train step of two phases, each with variables and an
 * optimizer of its own. `deno run -A examples/gan.ts`; it prints images that it made up in the end.
 *
 * Options: `--epochs N`, `--samples N` (how many images to learn from), `--digit N` (0 to 9, or `all`), `--device NAME`,
 * `--executor NAME`, `--seed N`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Batch, type HostArray, Model, setRandomSeed, type StepResult, tf, type TrainPhase } from "@stride/stride";
import { randomNormal } from "@stride/stride/core";
import { mnist } from "@stride/stride/data";
import { adam } from "@stride/stride/optimizers";
import { oneDevice } from "@stride/stride/strategies";

const args = parseArgs(Deno.args, {
  string: ["epochs", "samples", "digit", "device", "executor", "seed"],
  default: { epochs: "40", samples: "2048", digit: "3", device: "auto", executor: "auto", seed: "1" },
  unknown: (option) => {
    console.error(`Unknown option ${option}. The first lines of examples/gan.ts name them all.`);
    Deno.exit(2);
  },
});
setRandomSeed(Number(args.seed));

const LATENT = 32;
const PIXELS = 784;

class DigitGan extends Model {
  #generator = tf.sequential({
    layers: [
      tf.layers.dense({ units: 128, inputShape: [LATENT] }),
      tf.layers.leakyReLU({ alpha: 0.2 }),
      tf.layers.dense({ units: 256 }),
      tf.layers.leakyReLU({ alpha: 0.2 }),
      tf.layers.dense({ units: PIXELS, activation: "sigmoid" }),
    ],
  });
  #discriminator = tf.sequential({
    layers: [
      tf.layers.dense({ units: 128, inputShape: [PIXELS] }),
      tf.layers.leakyReLU({ alpha: 0.2 }),
      tf.layers.dropout({ rate: 0.3 }),
      tf.layers.dense({ units: 1 }),
    ],
  });

  /** Images for latent vectors, `[batch, 32]` → `[batch, 784]`. */
  override call(z: tf.Tensor): tf.Tensor {
    return this.apply(this.#generator, z);
  }

  override trainPhases(): readonly TrainPhase[] {
    return [
      { name: "discriminator", trains: [this.#discriminator], step: (batch) => this.#discriminate(batch as Batch) },
      { name: "generator", trains: [this.#generator], step: (batch) => this.#generate(batch as Batch) },
    ];
  }

  #discriminate({ x, rows }: Batch): StepResult {
    return this.gradients(() => {
      const real = this.apply(this.#discriminator, x);
      const fake = this.apply(this.#discriminator, this.call(randomNormal([rows, LATENT])));
      return tf.add(tf.mean(tf.softplus(tf.neg(real))), tf.mean(tf.softplus(fake)));
    });
  }

  #generate({ rows }: Batch): StepResult {
    return this.gradients(() => {
      const judged = this.apply(this.#discriminator, this.call(randomNormal([rows, LATENT])));
      this.log("taken_for_real", tf.mean(tf.sigmoid(judged)));
      return tf.mean(tf.softplus(tf.neg(judged)));
    });
  }
}

/** Images of one digit, or of all: `[count, 784]`, 0 to 1 on the device. */
async function images(digit: string, count: number): Promise<HostArray> {
  const { x, y } = (await mnist()).train;
  const rows = [...y.values.keys()].filter((row) => digit === "all" || y.values[row] === Number(digit)).slice(0, count);
  const values = new Uint8Array(rows.length * PIXELS);
  rows.forEach((row, index) => values.set(x.values.subarray(row * PIXELS, (row + 1) * PIXELS), index * PIXELS));
  return { ...x, shape: [rows.length, PIXELS], values };
}

/** Images side by side: each character stands for two pixels, one above the other. */
function draw(pixels: ArrayLike<number>, count: number): string {
  const shade = (i: number): string => " .:-=+*#%@"[Math.min(Math.floor((pixels[i]! + pixels[i + 28]!) * 5), 9)]!;
  const line = (image: number, row: number): string =>
    Array.from({ length: 28 }, (_, x) => shade(image * PIXELS + row * 56 + x)).join("");
  return Array.from(
    { length: 14 },
    (_, row) => Array.from({ length: count }, (_, image) => line(image, row)).join(" ").trimEnd(),
  ).join("\n");
}

const gan = oneDevice({ device: args.device }).scope(() => new DigitGan());
// The model is built from latent vectors, which the generator takes; the data are images.
gan.build(tf.zeros([1, LATENT]));
gan.compile({
  optimizer: {
    discriminator: adam({ learningRate: 4e-4, beta1: 0.5 }),
    generator: adam({ learningRate: 4e-4, beta1: 0.5 }),
  },
  stepsPerExecution: "auto",
  executor: args.executor,
});
const x = await images(args.digit, Number(args.samples));
await gan.fit({ x }, { batchSize: 64, epochs: Number(args.epochs), verbose: 2 });
const made = await gan.predict(tf.randomNormal([4, LATENT]), { verbose: 0 });
console.log(draw(await made.data(), 4));
