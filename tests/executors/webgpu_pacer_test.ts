import { assert, assertEquals } from "@std/assert";
import { CountedQueue } from "../../plugins/executors/webgpu/counted_queue.ts";
import { Pacer, Timing } from "../../plugins/executors/webgpu/pacer.ts";

/** A queue whose calls wait inside, as Deno's do. */
class SlowQueue {
  readonly #blocks: boolean;
  /** When what was submitted will have run. */
  #until = 0;
  /** How long each submission was meant to take. */
  readonly submitted: number[] = [];
  /** The next submission takes so long. */
  next = 0;

  constructor(blocks: boolean) {
    this.#blocks = blocks;
  }

  /** How much is on its way, in ms. */
  get left(): number {
    return Math.max(0, this.#until - performance.now());
  }

  submit(): void {
    if (this.#blocks) this.#wait();
    this.#until = Math.max(performance.now(), this.#until) + this.next;
    this.submitted.push(this.next);
  }

  onSubmittedWorkDone(): Promise<void> {
    this.#wait();
    return Promise.resolve();
  }

  #wait(): void {
    while (performance.now() < this.#until);
  }
}

/** Submits steps as a program does, each of so many ms; says how long the event loop had no turn. */
async function pace(
  { queue, pacer, timing }: { queue: SlowQueue; pacer: Pacer; timing: Timing },
  { steps, ms, executions }: { steps: number; ms: number; executions: number },
): Promise<{ gap: number; most: number }> {
  let [gap, most] = [0, 0];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gap = Math.max(gap, now - last);
    last = now;
  }, 1);
  for (let execution = 0; execution < executions; execution++) {
    await pacer.turn(async () => {
      for (let done = 0; done < steps;) {
        const count = Math.min(steps - done, Math.max(1, Math.round(pacer.portion(timing))));
        await pacer.room(timing, count);
        queue.next = count * ms;
        pacer.submit({} as GPUCommandBuffer, count, { timing, steps: count, cold: false });
        most = Math.max(most, queue.left);
        done += count;
      }
    });
  }
  await pacer.turn(() => pacer.idle());
  clearInterval(timer);
  return { gap, most };
}

for (const blocks of [true, false]) {
  for (
    const { steps, ms, executions } of [
      { steps: 100, ms: 2, executions: 5 },
      { steps: 1, ms: 12, executions: 40 },
      { steps: 1, ms: 0.05, executions: 4000 },
    ]
  ) {
    const name = `${executions} executions of ${steps} steps of ${ms} ms, on a queue that ${
      blocks ? "blocks" : "does not block"
    }`;
    Deno.test(`Pacer lets timers run during ${name}`, async () => {
      const queue = new SlowQueue(blocks);
      const pacer = new Pacer(new CountedQueue(queue as unknown as GPUQueue), blocks);
      const timing = new Timing(true);
      // What it learns, it may have to pay for.
      await pace({ queue, pacer, timing }, { steps, ms, executions: 2 });
      const began = performance.now();
      const { gap, most } = await pace({ queue, pacer, timing }, { steps, ms, executions });
      const elapsed = performance.now() - began;
      const work = steps * ms * executions;
      // Other processes share this machine: its timers are late now and then.
      assert(gap < 100, `a gap of ${gap} ms`);
      assert(elapsed < 1.6 * work + 300, `${elapsed} ms for ${work} ms of work`);
      assert(most < 300, `${most} ms on their way`);
    });
  }
}

Deno.test("Pacer cuts long executions, and learns how long steps take", async () => {
  const queue = new SlowQueue(true);
  const pacer = new Pacer(new CountedQueue(queue as unknown as GPUQueue), true);
  const timing = new Timing(true);
  await pace({ queue, pacer, timing }, { steps: 120, ms: 5, executions: 1 });
  assert(Math.abs(timing.perStep! - 5) < 2.5, `${timing.perStep} ms a step`);
  assert(queue.submitted.every((ms) => ms <= 120), `${queue.submitted}`);
  assertEquals(queue.submitted.reduce((sum, ms) => sum + ms, 0), 600);
});

Deno.test("Pacer.turn() keeps the order of those who come, and goes on after an error", async () => {
  const pacer = new Pacer(new CountedQueue(new SlowQueue(false) as unknown as GPUQueue), false);
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
