/**
 * Two replicas in one process, for tests: each computes its part of every batch, both parts are added, and the result
 * is applied once to the variables that they share.
 *
 * @module
 */
import {
  type Batch,
  combineSums,
  type Device,
  distributeBatches,
  Epochs,
  type Exchange,
  type Execution,
  type Feed,
  type Logs,
  type Plan,
  type Program,
  reduceTensors,
  replicaArgument,
  type Run,
  runInScope,
  type StepTable,
  type Strategy,
} from "@stride/stride/core";

const REPLICAS = 2;

/** A strategy of two replicas on one device. */
export function twoReplicas(device: Device): Strategy {
  const strategy: Strategy = {
    name: "twoReplicas",
    replicas: REPLICAS,
    chief: true,
    scope: (create) => runInScope(strategy, create),
    async open() {
      await device.open();
      device.activate();
    },
    async prepare(plan) {
      const programs = await Promise.all(
        [0, 1].map((index) => plan.executor.load(plan.step, { device, slots: 1, replica: { index, count: REPLICAS } })),
      );
      return new TwoReplicaRun(plan, programs);
    },
    run: (body, ...args) => ({
      values: [0, 1].map((replica) =>
        body(...args.map((argument) => replicaArgument(argument, replica)) as unknown as typeof args)
      ),
    }),
    reduce: (operation, values, axis) => Promise.resolve(reduceTensors(operation, values, axis)),
    distribute: (data) => distributeBatches(data, { first: 0, count: REPLICAS, of: REPLICAS }),
    agree: (vote) => Promise.resolve(vote),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return strategy;
}

class TwoReplicaRun implements Run {
  readonly #plan: Plan;
  readonly #programs: readonly Program[];
  readonly #feeds: readonly Feed[];
  readonly #epochs: readonly Epochs[];
  #total: Float64Array | undefined;

  constructor(plan: Plan, programs: readonly Program[]) {
    this.#plan = plan;
    this.#programs = programs;
    this.#feeds = programs.map((_, index) => plan.data.open({ index, count: REPLICAS }));
    this.#epochs = this.#feeds.map((feed) => new Epochs(plan, feed));
  }

  get steps(): number | undefined {
    return this.#epochs[0]!.steps;
  }

  get exhausted(): boolean {
    return this.#epochs[0]!.exhausted;
  }

  async *epoch(): AsyncGenerator<Execution> {
    this.#total = undefined;
    const [mine, others] = this.#epochs.map((epochs) => epochs.next());
    try {
      for await (const portion of mine!) {
        const other = (await others!.next()).value!;
        yield {
          first: portion.first,
          steps: portion.batches.length,
          start: async () => {
            const table = this.#plan.step.table(portion.batches.length);
            for (const [i, batch] of portion.batches.entries()) {
              await this.#runStep([batch, other.batches[i]!], rowOf(table, i));
            }
            this.#plan.step.advance(portion.batches.length);
            portion.queued();
            const logs = this.#decode();
            return { logs: { read: () => Promise.resolve(logs) }, outputs: { read: () => Promise.resolve([]) } };
          },
        };
      }
      await others!.next();
    } finally {
      await others!.return(undefined);
    }
  }

  async #runStep(batches: readonly Batch[], table: StepTable): Promise<void> {
    const parts: number[][] = this.#programs.map(() => []);
    for (const phase of this.#plan.step.phases.keys()) {
      const exchanges: Exchange[] = [];
      for (const [index, program] of this.#programs.entries()) {
        exchanges.push(await program.compute(phase, batches[index]!, table));
      }
      const summed = exchanges[0]!.values.map((value, i) => value + exchanges[1]!.values[i]!);
      // The variables are shared: applying once is applying on both.
      await this.#programs[0]!.apply(phase, { values: summed, sums: exchanges[0]!.sums }, batches[0]!, table);
      exchanges.forEach((exchange, replica) => parts[replica]!.push(...exchange.sums));
    }
    const sums = Float64Array.from(parts[0]!);
    if (batches[1]!.rows > 0) combineSums(this.#plan.step, sums, parts[1]!);
    if (this.#total === undefined) this.#total = sums;
    else combineSums(this.#plan.step, this.#total, sums);
  }

  #decode(): Logs {
    return this.#total === undefined ? {} : this.#plan.step.decode(this.#total.slice());
  }

  settle(): Promise<Logs> {
    return Promise.resolve(this.#decode());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const feed of this.#feeds) await feed[Symbol.asyncDispose]();
    for (const program of this.#programs) await program[Symbol.asyncDispose]();
  }
}

function rowOf(table: StepTable, index: number): StepTable {
  return { columns: table.columns, rows: [table.rows[index]!], first: table.first + index, key: table.key };
}
