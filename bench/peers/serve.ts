/**
 * One contender of the step benchmark, in a process of its own: it gets ready, then measures a round whenever it is told
 * `go`, and sleeps in between, so that contenders can take turns without sharing a process.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";

/** What is measured. */
export interface Contender {
  /** Trains one step, everything that must be set up before it included. @returns How long that took, in ms. */
  first(): Promise<number>;
  /** Prepares rounds of so many steps each. */
  rounds(steps: number): Promise<Rounds>;
  /** Rounds are multiples of so many steps, where those fit. @default 1 */
  readonly unit?: number;
  /** The most steps of a round, for the memory that their data take. @default no limit */
  readonly most?: number;
}

/** Rounds of equally many steps. */
export interface Rounds {
  /** Trains the steps, and returns when they are done. */
  run(): Promise<void>;
  /** Makes room for rounds of another length. */
  close(): Promise<void>;
}

/** What a contender says when it is ready. */
export interface Ready {
  /** Trace, compilation and opening of the device included; in ms. */
  readonly firstStepMs: number;
  /** Steps in a round. */
  readonly steps: number;
}

/** What a contender says after a round. */
export interface Round {
  readonly ms: number;
  /** WebGPU submissions. */
  readonly submissions: number;
  /** WebGPU buffers mapped for reading. */
  readonly maps: number;
}

/** A round takes about so long, in ms, unless one execution takes longer. */
const ROUND_MS = 1000;
/** No round is planned to take longer, in ms, even if that takes an execution apart. */
const LONGEST_MS = 20_000;

/** Measures until standard input ends. A number of steps as the last argument fixes the length of rounds. */
export async function serve(contender: Contender, fixed: number | undefined): Promise<void> {
  // Libraries talk; standard output is for answers.
  console.log = console.info = console.error;
  const counts = countWebGpu();
  const firstStepMs = await contender.first();
  const { rounds, steps } = await fit(contender, firstStepMs, fixed);
  // A round to warm up: engines compile their hot code, allocators settle.
  await rounds.run();
  answer({ firstStepMs, steps } satisfies Ready);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== "go") throw new RangeError(`Cannot understand "${line}"; expected "go".`);
    const before = { ...counts };
    const started = performance.now();
    await rounds.run();
    const ms = performance.now() - started;
    answer(
      {
        ms,
        submissions: counts.submissions - before.submissions,
        maps: counts.maps - before.maps,
      } satisfies Round,
    );
  }
  Deno.exit(0);
}

/** Finds how many steps make a round of the wanted length. */
async function fit(
  contender: Contender,
  firstStepMs: number,
  fixed: number | undefined,
): Promise<{ rounds: Rounds; steps: number }> {
  const { unit = 1, most = Infinity } = contender;
  if (fixed !== undefined) return { rounds: await contender.rounds(fixed), steps: fixed };
  const single = await contender.rounds(1);
  const warmMs = firstStepMs > LONGEST_MS ? firstStepMs : await timed(() => single.run());
  const executions = (ms: number, wanted: number): number => {
    const affordable = Math.max(1, Math.floor(LONGEST_MS / ms));
    const steps = unit * Math.max(1, Math.round(wanted / ms / unit));
    return Math.max(1, Math.min(steps, affordable, most));
  };
  // What a single step takes counts reading back too: more of them are faster, so this is only a beginning.
  const trial = executions(warmMs, ROUND_MS / 4);
  let rounds = single;
  if (trial > 1) {
    await single.close();
    rounds = await contender.rounds(trial);
    await rounds.run();
  }
  const steps = executions((warmMs > LONGEST_MS ? warmMs : await timed(() => rounds.run())) / trial, ROUND_MS);
  if (steps === trial) return { rounds, steps };
  await rounds.close();
  return { rounds: await contender.rounds(steps), steps };
}

async function timed(body: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await body();
  return performance.now() - started;
}

/** Counts what goes to the device, whichever library sends it. */
function countWebGpu(): { submissions: number; maps: number } {
  const counts = { submissions: 0, maps: 0 };
  if (typeof GPUQueue === "undefined") return counts;
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands): undefined {
    counts.submissions++;
    return submit.call(this, commands);
  };
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...args): Promise<undefined> {
    counts.maps++;
    return mapAsync.apply(this, args);
  };
  return counts;
}

function answer(value: Ready | Round): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}
