/**
 * Is Stride's eager loop as fast as tfjs's own `LayersModel.fit`, on the same backend? `deno bench -A bench`.
 *
 * The contenders take turns, so that what else the machine does hits all of them alike; ratios are medians over rounds. The
 * device comes from the environment variable `STRIDE_BENCH_DEVICE` (`cpu`, the default, or `webgpu`), the workloads from
 * `STRIDE_BENCH_WORKLOADS` (`dense1,mlp`; there is also `cnn`), the number of rounds from `STRIDE_BENCH_ROUNDS`.
 *
 * @module
 */
import process from "node:process";
import { Model, tf } from "@stride/stride";
import { cpu, webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { median, samples, type Workload, workloads } from "./workloads.ts";

const onWebGpu = Deno.env.get("STRIDE_BENCH_DEVICE") === "webgpu";
const names = (Deno.env.get("STRIDE_BENCH_WORKLOADS") ?? "dense1,mlp").split(",");
const rounds = Number(Deno.env.get("STRIDE_BENCH_ROUNDS") ?? 15);
const device = onWebGpu ? webgpu() : cpu();

/** How many steps one round trains. */
const STEPS: Readonly<Record<string, number>> = { dense1: onWebGpu ? 50 : 200, mlp: 10, cnn: onWebGpu ? 2 : 1 };

interface Contender {
  readonly name: string;
  run(): Promise<unknown>;
}

/** What a round took, in ms a step: wall clock, and processor time of all threads, which other processes disturb less. */
interface Timing {
  readonly wall: number;
  readonly processor: number;
}

async function timed({ run }: Contender, steps: number): Promise<Timing> {
  const before = process.cpuUsage();
  const started = performance.now();
  await run();
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { wall: wall / steps, processor: (user + system) / 1000 / steps };
}

/** Rounds of all contenders in turn, after two to warm up. */
async function turns(contenders: readonly Contender[], steps: number): Promise<readonly Timing[][]> {
  const timings: Timing[][] = contenders.map(() => []);
  for (let round = -2; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const timing = await timed(contender, steps);
      if (round >= 0) timings[index]!.push(timing);
    }
  }
  return timings;
}

/** tfjs's own loop on the backend that is current when it is called. */
function theirs(name: string, workload: Workload, prepare: () => Promise<void> | void): Contender {
  const data = samples(workload, workload.batchSize * STEPS[workload.name]!);
  const layers = workload.layers();
  layers.compile({ optimizer: workload.optimizer, loss: workload.loss });
  const x = tf.tensor(data.x.values, [...data.x.shape]);
  const y = tf.tensor(data.y.values, [...data.y.shape]);
  return {
    name,
    run: async () => {
      await prepare();
      await layers.fit(x, y, { batchSize: workload.batchSize, epochs: 1, verbose: 0 });
    },
  };
}

function ours(workload: Workload, stepsPerExecution: number): Contender {
  const { optimizer, loss, batchSize } = workload;
  const data = samples(workload, batchSize * STEPS[workload.name]!);
  const model = oneDevice({ device }).scope(() => Model.from(workload.layers()));
  model.compile({ optimizer, loss, stepsPerExecution, executor: "eager" });
  return {
    name: `Stride, eager, stepsPerExecution ${stepsPerExecution}`,
    run: () => model.fit(data, { batchSize, epochs: 1, verbose: 0 }),
  };
}

/** Ratios are to the first contender, of the same round. */
function report(workload: Workload, contenders: readonly Contender[], timings: readonly Timing[][]): void {
  console.log(`\n${workload.name}, ${device.name}, ${STEPS[workload.name]} steps a round, ${rounds} rounds`);
  contenders.forEach(({ name }, index) => {
    const own = timings[index]!;
    const ratio = (of: keyof Timing): string =>
      median(own.map((timing, round) => timings[0]![round]![of] / timing[of])).toFixed(2);
    const ms = (of: keyof Timing): string => median(own.map((timing) => timing[of])).toFixed(3).padStart(8);
    console.log(
      `  ${name.padEnd(36)} wall ${ms("wall")} ms/step, ${ratio("wall")}×   processor ${ms("processor")} ms/step, ` +
        `${ratio("processor")}×`,
    );
  });
}

/** tfjs's kernels are replaced in the whole process when the CPU is opened: they are measured before. */
const before = new Map<string, readonly Timing[]>();
if (!onWebGpu) {
  await tf.setBackend("cpu");
  for (const name of names) {
    const workload = workloads[name]!;
    const [timings] = await turns([theirs("tfjs fit", workload, () => {})], STEPS[name]!);
    before.set(name, timings!);
  }
}
await device.open();

for (const name of names) {
  const workload = workloads[name]!;
  const steps = STEPS[name]!;
  device.activate();
  const contenders = [
    theirs("tfjs fit", workload, () => device.activate()),
    ours(workload, 1),
    ours(workload, steps),
  ];
  report(workload, contenders, await turns(contenders, steps));
  const earlier = before.get(name);
  if (earlier !== undefined) {
    // Alone in a fresh process: it took no turns, so that it cannot be compared by a ratio.
    const wall = median(earlier.map((timing) => timing.wall)).toFixed(3);
    console.log(`  tfjs fit with tfjs's kernels, earlier: wall ${wall} ms/step`);
  }
}
