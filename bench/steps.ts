/**
 * How long does a training step take, compared with other libraries in this runtime?
 *
 * ```sh
 * deno task bench:steps [--json] [--workload dense1,mlp,cnn,gpt] [--executor eager,tfjs-webgpu,…] [--seconds 5] [--steps N]
 * ```
 *
 * Workloads are in `workloads.ts`. Contenders are Stride's registered executors, each with `stepsPerExecution` 1 and a large
 * one, and as peers `tfjs-webgpu`, `tfjs-wasm`, `tfjs-cpu`, `jax-js-webgpu` and `jax-js-wasm`. `eager` runs on the CPU,
 * `eager-webgpu` on WebGPU; `trace` is only run when it is named. Who is not there, or cannot run a workload, is skipped,
 * and standard error says why.
 *
 * Each contender lives in a process of its own (`peers/`), since stock kernels and Stride's would change each other. All of
 * a workload get ready one after the other, warm up, and then take turns, one round each, so that what else the machine does
 * hits all alike. A round is at least one execution and about a second of steps; `--steps` fixes its length. `--seconds` is how
 * long each is measured in all. Time is wall clock: Stride and tfjs are measured through `fit` on data in memory, with
 * shuffling, batching and the epoch's read-back; jax-js, and tfjs in `gpt`, in a loop over batches that lie on the device.
 *
 * With `--json` standard output has one line a measurement:
 *
 * - `workload`, `executor`, `stepsPerExecution`: what was measured
 * - `msPerStep`: the median round; `best`: the fastest
 * - `samples`: how many rounds; `stepsPerRound`
 * - `firstStepMs`: from calling `fit` to the end of the first step, in a new process: opening the device and compiling count.
 *   Drivers keep compiled shaders, so that a second run may be faster
 * - `submissions`, `maps`: WebGPU submissions and read-backs in a round
 * - `note`: what else to know
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { builtins } from "@stride/stride";
import { Process } from "./peers/process.ts";
import type { Round } from "./peers/serve.ts";
import { gpt, median, workloads } from "./workloads.ts";

/** What is measured in a process of its own. */
interface Contender {
  readonly executor: string;
  readonly stepsPerExecution: number;
  /** The module, and its arguments for a workload. */
  readonly module: string;
  readonly args: (workload: string) => readonly string[];
}

/** The large `stepsPerExecution` of each workload. */
const LARGE: Readonly<Record<string, number>> = { dense1: 1000, mlp: 100, cnn: 20, gpt: 10 };
/** Fewer rounds than this are no median. */
const FEWEST_ROUNDS = 3;

const peer = (executor: string, module: string, backend: string): Contender => ({
  executor,
  stepsPerExecution: 1,
  module,
  args: (workload) => [workload, backend],
});
const PEERS: readonly Contender[] = [
  ...["webgpu", "wasm", "cpu"].map((backend) => peer(`tfjs-${backend}`, "peers/tfjs.ts", backend)),
  ...["webgpu", "wasm"].map((device) => peer(`jax-js-${device}`, "peers/jax_js.ts", device)),
];

/** Stride's, for a workload: `eager-webgpu` is the executor `eager` on another device. */
function stride(name: string, workload: string): readonly Contender[] {
  const executor = name === "eager-webgpu" ? "eager" : name;
  const device = name.includes("webgpu") ? "webgpu" : "cpu";
  return [1, LARGE[workload]!].map((stepsPerExecution) => ({
    executor: name,
    stepsPerExecution,
    module: "peers/stride.ts",
    args: () => [workload, executor, device, String(stepsPerExecution)],
  }));
}

function refuse(message: string): never {
  console.error(message);
  Deno.exit(2);
}

const args = parseArgs(Deno.args, {
  boolean: ["json"],
  string: ["workload", "executor", "steps", "seconds"],
  default: { seconds: "5" },
  unknown: (option) => refuse(`Unknown option ${option}. The first lines of bench/steps.ts name them all.`),
});
const chosen = (option: string | undefined): readonly string[] | undefined => option?.split(",").filter(Boolean);
const known = [...Object.keys(workloads), gpt.name];
const names = chosen(args.workload) ?? known;
const unknown = names.filter((name) => !known.includes(name));
if (unknown.length > 0) refuse(`Unknown workload ${unknown.join(", ")}. Known: ${known.join(", ")}.`);
const peerNames = PEERS.map(({ executor }) => executor);
// "auto" stands for one of the others, and "trace" adds work that nobody trains with.
const strideNames = [
  ...builtins.names("executors").filter((name) => name !== "auto" && name !== "trace"),
  "eager-webgpu",
];
const executors = chosen(args.executor) ?? [...strideNames, ...peerNames];
const steps = args.steps === undefined ? undefined : positive("steps", args.steps);
const milliseconds = 1000 * positive("seconds", args.seconds);

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) refuse(`--${option} is ${text}; expected a number above 0.`);
  return option === "steps" ? Math.ceil(value) : value;
}

/** What is to be measured of a workload; the rest is named. */
function contenders(workload: string): readonly Contender[] {
  return executors.flatMap((name) => {
    const found = PEERS.filter(({ executor }) => executor === name);
    if (found.length > 0) return found;
    if (name === "eager-webgpu" || builtins.has("executors", name)) return stride(name, workload);
    const all = [...builtins.names("executors"), "eager-webgpu", ...peerNames].join(", ");
    console.error(`skipped: ${workload}, ${name}: there is no such executor. Known: ${all}.`);
    return [];
  });
}

async function measure(workload: string): Promise<void> {
  await using running = new AsyncDisposableStack();
  const all: { contender: Contender; process: Process; rounds: Round[] }[] = [];
  const skip = ({ executor, stepsPerExecution }: Contender, error: unknown): void =>
    console.error(
      `skipped: ${workload}, ${executor}, stepsPerExecution ${stepsPerExecution}: ${(error as Error).message}`,
    );
  for (const contender of contenders(workload)) {
    const { module, args } = contender;
    const process = running.use(
      new Process(new URL(module, import.meta.url), [...args(workload), ...steps === undefined ? [] : [String(steps)]]),
    );
    try {
      await process.ready();
      all.push({ contender, process, rounds: [] });
    } catch (error) {
      skip(contender, error);
    }
  }
  let waiting = all;
  while (waiting.length > 0) {
    for (const entry of waiting) {
      try {
        entry.rounds.push(await entry.process.round());
      } catch (error) {
        skip(entry.contender, error);
        all.splice(all.indexOf(entry), 1);
      }
    }
    waiting = waiting.filter((entry) => all.includes(entry) && !done(entry.rounds));
  }
  for (const { contender, process, rounds } of all) report(workload, contender, await process.ready(), rounds);
}

/** Slow contenders get fewer rounds: one, where it takes longer than all the others' time. */
function done(rounds: readonly Round[]): boolean {
  const spent = rounds.reduce((sum, { ms }) => sum + ms, 0);
  return spent >= milliseconds && (rounds.length >= FEWEST_ROUNDS || spent >= 4 * milliseconds);
}

function report(
  workload: string,
  { executor, stepsPerExecution }: Contender,
  { firstStepMs, steps: stepsPerRound }: { firstStepMs: number; steps: number },
  rounds: readonly Round[],
): void {
  const times = rounds.map(({ ms }) => ms / stepsPerRound);
  const { submissions, maps } = rounds.at(-1)!;
  const significant = (value: number): number => Number(value.toPrecision(4));
  const measurement = {
    workload,
    executor,
    stepsPerExecution,
    msPerStep: significant(median(times)),
    best: significant(Math.min(...times)),
    samples: times.length,
    stepsPerRound,
    firstStepMs: significant(firstStepMs),
    ...(submissions + maps > 0 ? { submissions, maps } : {}),
    ...(stepsPerRound < stepsPerExecution
      ? { note: `executions had ${stepsPerRound} steps: ${steps === undefined ? "more took too long" : "see --steps"}` }
      : {}),
  };
  if (args.json) console.log(JSON.stringify(measurement));
  else {
    const { msPerStep, best, samples, note } = measurement;
    const columns = [workload.padEnd(8), executor.padEnd(14), String(stepsPerExecution).padStart(5)];
    const numbers = [msPerStep, best, samples, stepsPerRound, measurement.firstStepMs].map((n) =>
      String(n).padStart(9)
    );
    const device = submissions + maps > 0 ? [submissions, maps] : ["", ""];
    console.log([...columns, ...numbers, ...device.map((n) => String(n).padStart(8)), note ?? ""].join(" ").trimEnd());
  }
}

if (!args.json) {
  console.log(
    "workload executor         steps   ms/step      best    rounds     steps     first  submits     maps\n" +
      "                           /exec    median              measured    /round        ms   /round   /round",
  );
}
for (const name of names) await measure(name);
