/**
 * A generative adversarial network: a train step of two phases, each with variables and an optimizer of its own.
 *
 * It learns to place points on a ring. Run it with `deno run -A examples/gan.ts`; it prints how far from the ring its
 * points are, and draws them at the end.
 *
 * @module
 */
import { type Batch, Model, setRandomSeed, type StepResult, tf, type TrainPhase } from "@stride/stride";
import { randomNormal } from "@stride/stride/core";
import { adam } from "@stride/stride/optimizers";

const LATENT = 4;

class RingGan extends Model {
  #generator = tf.sequential({
    layers: [
      tf.layers.dense({ units: 32, activation: "relu", inputShape: [LATENT] }),
      tf.layers.dense({ units: 32, activation: "relu" }),
      tf.layers.dense({ units: 2 }),
    ],
  });
  #discriminator = tf.sequential({
    layers: [
      tf.layers.dense({ units: 32, activation: "relu", inputShape: [2] }),
      tf.layers.dense({ units: 32, activation: "relu" }),
      tf.layers.dense({ units: 1 }),
    ],
  });

  /** Points for latent vectors, `[batch, 4]` → `[batch, 2]`. */
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
      const points = this.call(randomNormal([rows, LATENT]));
      this.log("off_ring", tf.mean(tf.abs(tf.sub(tf.norm(points, "euclidean", 1), 1))));
      return tf.mean(tf.softplus(tf.neg(this.apply(this.#discriminator, points))));
    });
  }
}

/** Points on the unit circle, `[count, 2]`. */
function ring(count: number): Float32Array {
  return Float32Array.from({ length: 2 * count }, (_, i) => {
    const angle = (2 * Math.PI * Math.floor(i / 2)) / count;
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** Points as text: a square of characters from −1.5 to 1.5. */
function draw(points: ArrayLike<number>, size = 24): string {
  const rows = Array.from({ length: size / 2 }, () => Array<string>(size).fill("·"));
  const cell = (value: number, cells: number): number => Math.floor(((value + 1.5) / 3) * cells);
  for (let i = 0; i < points.length; i += 2) {
    const row = rows[cell(points[i + 1]!, size / 2)];
    if (row !== undefined && row[cell(points[i]!, size)] !== undefined) row[cell(points[i]!, size)] = "█";
  }
  return rows.map((row) => row.join("")).join("\n");
}

setRandomSeed(1);
const gan = new RingGan();
// The model is built from latent vectors, which the generator takes; the data are points.
gan.build(tf.zeros([1, LATENT]));
gan.compile({
  optimizer: {
    discriminator: adam({ learningRate: 2e-3, beta1: 0.5 }),
    generator: adam({ learningRate: 1e-3, beta1: 0.5 }),
  },
  stepsPerExecution: 16,
});
const count = 2048;
const x = { shape: [count, 2], dtype: "float32" as const, values: ring(count) };
await gan.fit({ x }, { batchSize: 64, epochs: 30, verbose: 2 });
const points = await gan.predict(tf.randomNormal([400, LATENT]), { verbose: 0 });
console.log(draw(await points.data()));
