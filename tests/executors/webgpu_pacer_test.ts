import { assert, assertEquals } from "@std/assert";
import { CountedQueue } from "../../plugins/executors/webgpu/counted_queue.ts";
import { type Clock, Pacer, Timing } from "../../plugins/executors/webgpu/pacer.ts";

/** What the host does for a submission, in ms. */
const HOST_MS = 0.02;
/** How much longer or shorter the same work takes from one time to the next. */
const NOISE = [1, 1.2, 0.9, 1.3, 1, 0.8];

/** When Deno looks for answers. */
const TICK_MS = 10;

/** How a device waits. */
interface Waiting {
  /** Whether `submit` waits for what was submitted before. */
  readonly blocks: boolean;
  /** Whether `onSubmittedWorkDone` returns at once, and its promise waits: in browsers, not in Deno. */
  readonly answersLater?: boolean;
}

/** A device whose calls wait inside, as Deno's do; time passes only in calls, answers and sleeps. */
class SlowDevice implements Clock {
  readonly #waiting: Waiting;
  #now = 0;
  /** When what was submitted will have run. */
  #until = 0;
  #turned = 0;
  /** How long the event loop had to wait for its turns, in ms. */
  readonly gaps: number[] = [];
  /** How much was on its way after each submission. */
  readonly waiting: number[] = [];
  /** How long each submission took. */
  readonly submitted: number[] = [];
  /** The next submission takes so long. */
  next = 0;

  constructor(waiting: Waiting) {
    this.#waiting = waiting;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    this.gaps.push(this.#now - this.#turned);
    this.#now += Math.max(1, ms);
    this.#turned = this.#now;
    return Promise.resolve();
  }

  submit(): void {
    this.#now += HOST_MS;
    if (this.#waiting.blocks) this.#wait();
    const ms = this.next * NOISE[this.submitted.length % NOISE.length]!;
    this.#until = Math.max(this.#now, this.#until) + ms;
    this.submitted.push(ms);
    this.waiting.push(this.#until - this.#now);
  }

  onSubmittedWorkDone(): Promise<void> {
    if (this.#waiting.answersLater) return this.#answer(0);
    this.#wait();
    return this.#answer(TICK_MS);
  }

  /** Time passes for whoever awaits it, and the event loop is alive meanwhile. */
  #answer(delay: number): Promise<void> {
    const until = this.#until;
    const answer = {
      then: (resolve: () => void) => {
        this.gaps.push(this.#now - this.#turned);
        this.#now = this.#turned = Math.max(this.#now, until) + delay;
        resolve();
      },
      catch: () => answer,
    };
    return answer as unknown as Promise<void>;
  }

  #wait(): void {
    this.#now = Math.max(this.#now, this.#until);
  }
}

/** Submits steps as a program does, each of so many ms. */
async function pace(
  { device, pacer, timing }: { device: SlowDevice; pacer: Pacer; timing: Timing },
  { steps, ms, executions }: { steps: number; ms: number; executions: number },
): Promise<void> {
  for (let execution = 0; execution < executions; execution++) {
    await pacer.turn(async () => {
      for (let done = 0; done < steps;) {
        const count = Math.min(steps - done, Math.max(1, Math.round(pacer.portion(timing))));
        await pacer.room(timing, count);
        device.next = count * ms;
        pacer.submit({} as GPUCommandBuffer, count, { timing, steps: count, cold: false });
        done += count;
      }
    });
  }
  await pacer.turn(() => pacer.idle());
}

/** @param expected What the pacer takes it for. @default what it is */
function slowDevice(waiting: Waiting, expected = waiting): { device: SlowDevice; pacer: Pacer; timing: Timing } {
  const device = new SlowDevice(waiting);
  const pacer = new Pacer(new CountedQueue(device as unknown as GPUQueue), expected.blocks, device);
  return { device, pacer, timing: new Timing(true) };
}

const DEVICES: readonly { what: string; waiting: Waiting; expected?: Waiting }[] = [
  { what: "that blocks", waiting: { blocks: true } },
  { what: "that does not block", waiting: { blocks: false } },
  { what: "that blocks unexpectedly", waiting: { blocks: true }, expected: { blocks: false } },
  { what: "that does not block, nor do answers", waiting: { blocks: false, answersLater: true } },
];

for (const { what, waiting, expected } of DEVICES) {
  for (
    const { steps, ms, executions } of [
      { steps: 100, ms: 2, executions: 20 },
      { steps: 7, ms: 30, executions: 20 },
      { steps: 1, ms: 12, executions: 100 },
      { steps: 1, ms: 0.05, executions: 20_000 },
    ]
  ) {
    const name = `${executions} executions of ${steps} steps of ${ms} ms, on a queue ${what}`;
    Deno.test(`Pacer keeps the event loop alive and the device busy: ${name}`, async () => {
      const made = slowDevice(waiting, expected);
      await pace(made, { steps, ms, executions });
      const { gaps, waiting: onTheirWay, submitted } = made.device;
      // What a queue does is learned from a call that blocks.
      const long = gaps.filter((gap) => gap > 50);
      assert(long.length <= Number(expected !== undefined), `gaps of ${long} ms`);
      assert(Math.max(...gaps) < 100, `gaps of ${long} ms`);
      const work = submitted.reduce((sum, each) => sum + each, 0);
      const elapsed = made.device.now();
      const host = submitted.length * HOST_MS;
      assert(elapsed < 1.15 * (work + host) + 100, `${elapsed} ms for ${work} ms of work`);
      assert(Math.max(...onTheirWay) < 250, `${Math.max(...onTheirWay)} ms on their way`);
    });
  }
}

Deno.test("Pacer cuts long executions, and learns how long steps take", async () => {
  const made = slowDevice({ blocks: true });
  await pace(made, { steps: 120, ms: 5, executions: 4 });
  assert(Math.abs(made.timing.perStep! - 5) < 1.5, `${made.timing.perStep} ms a step`);
  assert(made.device.submitted.every((ms) => ms <= 50 * 1.6), `${made.device.submitted}`);
  // Steps that take longer all at once are cut anew.
  await pace(made, { steps: 40, ms: 20, executions: 4 });
  assert(Math.abs(made.timing.perStep! - 20) < 6, `${made.timing.perStep} ms a step`);
  assert(made.device.submitted.slice(-10).every((ms) => ms <= 50 * 1.6), `${made.device.submitted.slice(-10)}`);
});

Deno.test("Pacer.turn() keeps the order of those who come, and goes on after an error", async () => {
  const { pacer } = slowDevice({ blocks: false });
  const order: number[] = [];
  const turns = [1, 2, 3].map((number) =>
    pacer.turn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10 - number));
      order.push(number);
      if (number === 2) throw new Error("two");
    })
  );
  const settled = await Promise.allSettled(turns);
  assertEquals(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertEquals(order, [1, 2, 3]);
});
