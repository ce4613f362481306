/**
 * Trains a small transformer on Moby-Dick, character by character: `deno run -A --no-lock examples/transformer.ts`. It
 * prints text that it makes up in the end.
 *
 * Options: `--epochs N`, `--characters N` (how much of the book's 1.2 million to read), `--context N`, `--width N`,
 * `--blocks N`, `--sample N` (how many characters to make up), `--device NAME`, `--executor NAME`, `--seed N`. The defaults
 * take a few minutes on a CPU without compilation; with it, or on a GPU, try `--characters 1200000 --width 128 --blocks 4
 * --context 64`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { setRandomSeed, type Tensor, tf } from "@stride/stride";
import { mobyDick } from "@stride/stride/data";
import { sparseCategoricalCrossentropy } from "@stride/stride/losses";
import { adam } from "@stride/stride/optimizers";
import { oneDevice } from "@stride/stride/strategies";
import { Transformer } from "./transformer_model.ts";

const args = parseArgs(Deno.args, {
  string: ["epochs", "characters", "context", "width", "blocks", "sample", "device", "executor", "seed"],
  default: {
    epochs: "2",
    characters: "100000",
    context: "32",
    width: "64",
    blocks: "2",
    sample: "300",
    device: "auto",
    executor: "auto",
  },
  unknown: (option) => {
    console.error(`Unknown option ${option}. The first lines of examples/transformer.ts name them all.`);
    Deno.exit(2);
  },
});
if (args.seed !== undefined) setRandomSeed(Number(args.seed));
const context = Number(args.context);

// The chapters come after the etymology and the extracts, which are lists of quotations.
const chapters = (await mobyDick()).filter(({ chapter }) => /^\d+$/.test(chapter));
const text = chapters.map(({ text }) => text).join("\n\n").slice(0, Number(args.characters));
const alphabet = [...new Set(text)].sort();
const tokens = Int32Array.from(text, (character) => alphabet.indexOf(character));

/** Passages of `context` characters, and the same moved on by one: what comes after each character. */
const passages = Math.floor((tokens.length - 1) / context);
const array = (from: number) => ({
  shape: [passages, context],
  dtype: "int32" as const,
  values: tokens.slice(from, from + passages * context),
});

const model = oneDevice({ device: args.device }).scope(() =>
  new Transformer({
    vocabulary: alphabet.length,
    context,
    width: Number(args.width),
    heads: 4,
    blocks: Number(args.blocks),
  })
);
model.compile({
  optimizer: adam({ learningRate: 3e-3 }),
  loss: sparseCategoricalCrossentropy({ fromLogits: true }),
  metrics: ["accuracy"],
  stepsPerExecution: "auto",
  executor: args.executor,
});
await model.fit({ x: array(0), y: array(1) }, { epochs: Number(args.epochs), batchSize: 32 });

/** Draws a number by its weight: probabilities sharpened by a temperature. */
function draw(logits: Float32Array, temperature: number): number {
  const largest = Math.max(...logits);
  const weights = Array.from(logits, (value) => Math.exp((value - largest) / temperature));
  let left = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
  return Math.max(weights.findIndex((weight) => (left -= weight) < 0), 0);
}

const written = [...tokens.subarray(0, context)];
for (let i = 0; i < Number(args.sample); i++) {
  // Always a whole context, so that one compiled step serves all.
  const logits = await model.predictOnBatch(tf.tensor2d(written.slice(-context), [1, context], "int32")) as Tensor;
  const values = await logits.data<"float32">();
  logits.dispose();
  written.push(draw(values.subarray(-alphabet.length), 0.7));
}
console.log(`\n${written.map((token) => alphabet[token]).join("")}`);
