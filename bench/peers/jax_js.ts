/**
 * jax-js as a contender: `WORKLOAD DEVICE [STEPS]`, with device `wasm` or `webgpu`.
 *
 * The whole step is jitted: loss, gradients and optimizer. Batches lie on the device already; a round ends when the last
 * step's loss and weights are there.
 *
 * @module
 */
import { mostSteps, slicedBatches } from "../workloads.ts";
import { type Jax, type JaxArray, SPECIFIER } from "./jax_js_api.ts";
import { jaxModels, type Weights } from "./jax_js_models.ts";
import { type Rounds, serve } from "./serve.ts";

const [name = "", device = "", steps] = Deno.args;
const jax = await import(SPECIFIER) as Jax;
const { numpy: np, tree } = jax;

type Batch = readonly [x: JaxArray, y: JaxArray];
/** What a step changes: weights, Adam's moments, and how many steps there were. */
interface State {
  readonly weights: Weights;
  readonly mean: Weights;
  readonly square: Weights;
  readonly count: JaxArray;
}

const RATE = 0.001;

function sgd(state: State, gradients: Weights): State {
  const { weights, ...rest } = state;
  return { ...rest, weights: eachWeight(weights, (key, weight) => weight.sub(gradients[key]!.mul(0.01))) };
}

function adam({ weights, mean, square, count }: State, gradients: Weights): State {
  const next = count.add(1);
  const means = eachWeight(mean, (key, value) => value.mul(0.9).add(gradients[key]!.ref.mul(0.1)));
  const squares = eachWeight(square, (key, value) => value.mul(0.999).add(np.square(gradients[key]!).mul(0.001)));
  const power = (base: number): JaxArray => np.exp(next.ref.mul(Math.log(base)));
  const rate = np.sqrt(power(0.999).mul(-1).add(1)).div(power(0.9).mul(-1).add(1)).mul(RATE);
  const updated = eachWeight(weights, (key, weight) => {
    const change = means[key]!.ref.mul(rate.ref).div(np.sqrt(squares[key]!.ref).add(1e-7));
    return weight.sub(change);
  });
  rate.dispose();
  return { weights: updated, mean: means, square: squares, count: next };
}

function eachWeight(weights: Weights, body: (key: string, value: JaxArray) => JaxArray): Weights {
  return Object.fromEntries(Object.entries(weights).map(([key, value]) => [key, body(key, value)]));
}

function newState(weights: Weights): State {
  const zeros = (): Weights =>
    eachWeight(weights, (_, weight) => np.array(new Float32Array(weight.size), { shape: weight.shape }));
  return { weights, mean: zeros(), square: zeros(), count: np.array(Float32Array.of(0), { shape: [] }) };
}

function batches(count: number): readonly Batch[] {
  return slicedBatches(name, count).map(({ x, y }): Batch => {
    const array = ({ values, shape, dtype }: typeof x): JaxArray =>
      np.array(values as Float32Array, { shape: [...shape], dtype: dtype === "int32" ? np.int32 : np.float32 });
    return [array(x), array(y)];
  });
}

let state: State | undefined;
let step: ((state: State, x: JaxArray, y: JaxArray) => readonly [State, JaxArray]) | undefined;

async function train(data: readonly Batch[]): Promise<void> {
  let loss: JaxArray | undefined;
  for (const [x, y] of data) {
    loss?.dispose();
    [state, loss] = step!(state!, x.ref, y.ref);
  }
  const [value] = Array.from(await loss!.data());
  await jax.blockUntilReady(state!);
  // A step that computes nothing sensible is fast, too.
  if (!Number.isFinite(value)) throw new RangeError(`jax-js trained ${name} to a loss of ${value}.`);
}

await serve({
  most: mostSteps(name),
  async first() {
    const started = performance.now();
    const found = await jax.init(device);
    if (!found.includes(device)) throw new Error(`jax-js has no device "${device}" here; found ${found.join(", ")}.`);
    jax.defaultDevice(device);
    const model = jaxModels(jax, device)[name]!;
    const valueAndGrad = jax.valueAndGrad(model.loss);
    const update = model.optimizer === "sgd" ? sgd : adam;
    step = jax.jit((before: State, x: JaxArray, y: JaxArray) => {
      const [loss, gradients] = valueAndGrad(tree.ref(before.weights), x, y);
      return [update(before, gradients), loss] as const;
    });
    state = newState(model.weights());
    await train(batches(1));
    return performance.now() - started;
  },
  rounds(count) {
    const data = batches(count);
    return Promise.resolve<Rounds>({
      run: () => train(data),
      close: () => Promise.resolve(data.forEach(([x, y]) => (x.dispose(), y.dispose()))),
    });
  },
}, steps === undefined ? undefined : Number(steps));
