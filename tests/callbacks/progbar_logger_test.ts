import { assert, assertEquals, assertRejects } from "@std/assert";
import { progbarLogger, type ProgbarLoggerOptions } from "@stride/stride/callbacks";
import { type Callback, CallbackList, type Logs, type Pending } from "@stride/stride/core";
import { callbackContract, type FakeRun, fakeRun } from "../contracts/callback_contract.ts";

callbackContract("progbarLogger()", () => progbarLogger({ verbose: 1, write: () => {}, isTerminal: true }));

const FULL = "━".repeat(20);

/** A logger on a terminal that keeps what is written, with a clock that is moved by hand. */
class Terminal {
  text = "";
  time = 0;
  readonly run: FakeRun;
  readonly callback: Callback;
  readonly list: CallbackList;

  constructor(params: Parameters<typeof fakeRun>[0], options: ProgbarLoggerOptions = {}) {
    this.run = fakeRun(params);
    this.callback = progbarLogger({
      write: (text) => this.text += text,
      now: () => this.time,
      isTerminal: true,
      color: false,
      columns: 200,
      ...options,
    });
    this.list = new CallbackList([this.callback], this.run.context);
    this.run.dispose();
  }

  /** What was written since the last time. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

/** Values that come when they are released; counts how often they are read. */
class SlowLogs implements Pending<Logs> {
  reads = 0;
  readonly #values = Promise.withResolvers<Logs>();

  read(): Promise<Logs> {
    this.reads++;
    return this.#values.promise;
  }

  async release(logs: Logs): Promise<void> {
    this.#values.resolve(logs);
    await new Promise((resolve) => setTimeout(resolve));
  }

  fail(error: Error): void {
    this.#values.reject(error);
  }
}

function ready(logs: Logs): SlowLogs {
  const slow = new SlowLogs();
  slow.release(logs);
  return slow;
}

Deno.test("progbarLogger() prints one line an epoch and reads nothing when verbose is 2", async () => {
  const terminal = new Terminal({ params: { verbose: 2, epochs: 3, steps: 2 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  for (const epoch of [0, 1]) {
    await list.call("onEpochBegin", { epoch });
    for (const batch of [0, 1]) {
      terminal.time += 100;
      const logs = new SlowLogs();
      await list.call("onTrainBatchEnd", { batch, logs });
      assertEquals(logs.reads, 0);
    }
    await list.call("onEpochEnd", { epoch, logs: { loss: 0.25, val_loss: 0.5 } });
  }
  assertEquals(
    terminal.take(),
    "Epoch 1/3\n2/2 - 0s - 100ms/step - loss: 0.2500 - val_loss: 0.5000\n" +
      "Epoch 2/3\n2/2 - 0s - 100ms/step - loss: 0.2500 - val_loss: 0.5000\n",
  );
});

Deno.test("progbarLogger() draws at most every 50 ms, and reads only then, when on a terminal", async () => {
  const terminal = new Terminal({ params: { verbose: 1, epochs: 1, steps: 100 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  assertEquals(terminal.take(), "", "no heading for a single epoch");
  const reads: number[] = [];
  for (let batch = 0; batch < 20; batch++) {
    terminal.time += 10;
    const logs = ready({ loss: 1 });
    await list.call("onTrainBatchEnd", { batch, logs });
    await new Promise((resolve) => setTimeout(resolve));
    if (logs.reads > 0) reads.push(batch);
  }
  // The first one at once, at 10 ms; then at 60, 110 and 160 ms.
  assertEquals(reads, [0, 5, 10, 15]);
  assertEquals(terminal.take().split("\r").length - 1, 4);
});

Deno.test("progbarLogger() never makes training wait, and has one reading at a time", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: 3 } });
  const { list, callback } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  const slow = [new SlowLogs(), new SlowLogs(), new SlowLogs()];
  for (const [batch, logs] of slow.entries()) {
    terminal.time += 1000;
    assertEquals(callback.onTrainBatchEnd!({ batch, logs }, terminal.run.context), undefined);
  }
  assertEquals(slow.map(({ reads }) => reads), [1, 0, 0]);
  assertEquals(terminal.take(), "");
  // The epoch's line waits for what is being read.
  const ended = list.call("onEpochEnd", { epoch: 0, logs: { loss: 2, val_loss: 3 } });
  await slow[0]!.release({ loss: 1 });
  await ended;
  assertEquals(
    terminal.take(),
    // After step 1 alone the first execution is all there is to go by: 3 s a step, 6 s to go.
    `\r1/3 ${FULL} 6s 3s/step - loss: 1.0000` +
      `\r3/3 ${FULL} 3s 1s/step - loss: 2.0000 - val_loss: 3.0000\n`,
  );
});

Deno.test("progbarLogger() overwrites a longer line with blanks", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: 2 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  await list.call("onTrainBatchEnd", { batch: 0, logs: ready({ loss: 1, accuracy: 1 }) });
  await list.call("onTrainBatchEnd", { batch: 1, logs: new SlowLogs() });
  await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1 } });
  const [, first, last] = terminal.take().split("\r");
  assertEquals(last!.length - 1, first!.length);
  assert(last!.endsWith(`${" ".repeat(" - accuracy: 1.0000".length)}\n`));
});

Deno.test("progbarLogger() cuts lines to the terminal while they are redrawn, and not the last one", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: 2 } }, { columns: 50 });
  const { list } = terminal;
  const logs = { first_metric: 1, second_metric: 2 };
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  await list.call("onTrainBatchEnd", { batch: 0, logs: ready(logs) });
  await list.call("onEpochEnd", { epoch: 0, logs });
  const [, drawn, last] = terminal.take().split("\r");
  assertEquals(drawn!.length, 49);
  assert(last!.includes("second_metric: 2.0000\n"));
});

Deno.test("progbarLogger() colours lines on a terminal, and only there", async () => {
  for (const [isTerminal, color] of [[true, true], [true, false], [false, true]] as const) {
    const terminal = new Terminal({ params: { verbose: 1, steps: 1 } }, { isTerminal, color });
    const { list } = terminal;
    await list.call("onTrainBegin", {});
    await list.call("onEpochBegin", { epoch: 0 });
    await list.call("onTrainBatchEnd", { batch: 0, logs: ready({ loss: 1 }) });
    await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1 } });
    const text = terminal.take();
    assertEquals(text.includes("\x1b["), isTerminal && color);
    assertEquals(text.includes("\r"), isTerminal);
  }
});

Deno.test("progbarLogger() prints one plain line an epoch and reads nothing when it is not on a terminal", async () => {
  const terminal = new Terminal({ params: { verbose: 1, epochs: 2, steps: 2 } }, { isTerminal: false });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 1 });
  for (const batch of [0, 1]) {
    terminal.time += 1000;
    const logs = new SlowLogs();
    await list.call("onTrainBatchEnd", { batch, logs });
    assertEquals(logs.reads, 0);
  }
  await list.call("onEpochEnd", { epoch: 1, logs: { loss: 1 } });
  assertEquals(terminal.take(), `Epoch 2/2\n2/2 ${FULL} 2s 1s/step - loss: 1.0000\n`);
});

Deno.test("progbarLogger() leaves the first execution out of the time for a step, however many steps it has", async () => {
  const terminal = new Terminal({ params: { verbose: 2, steps: 7 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  for (const [batch, time] of [[2, 9000], [5, 9030], [6, 9040]] as const) {
    terminal.time = time;
    await list.call("onTrainBatchEnd", { batch, logs: new SlowLogs() });
  }
  await list.call("onEpochEnd", { epoch: 0, logs: {} });
  assertEquals(terminal.take(), "7/7 - 9s - 10ms/step\n");
});

Deno.test("progbarLogger() counts the steps that were done when an epoch is cut short", async () => {
  const terminal = new Terminal({ params: { verbose: 2, steps: 100 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  await list.call("onTrainBatchEnd", { batch: 4, logs: new SlowLogs() });
  await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1 } });
  assertEquals(terminal.take(), "  5/100 - 0s - 0s/step - loss: 1.0000\n");
});

Deno.test("progbarLogger() counts up to Unknown, and knows the target at the end", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: undefined } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  await list.call("onTrainBatchEnd", { batch: 6, logs: ready({ loss: 1 }) });
  await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1 } });
  assertEquals(
    terminal.take(),
    `\r      7/Unknown 0s 0s/step - loss: 1.0000` +
      // Four columns more than before, so nothing is left to blank out.
      `\r7/7 ${FULL} 0s 0s/step - loss: 1.0000\n`,
  );
});

Deno.test("progbarLogger() is silent in the validation of fit, and not in an evaluation after it", async () => {
  const terminal = new Terminal({ params: { verbose: 2, steps: 1 } });
  const { list } = terminal;
  const evaluate = async (): Promise<void> => {
    await list.call("onTestBegin", {});
    await list.call("onTestBatchEnd", { batch: 0, logs: new SlowLogs() });
    await list.call("onTestEnd", { logs: { loss: 3 } });
  };
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  await list.call("onTrainBatchEnd", { batch: 0, logs: new SlowLogs() });
  await evaluate();
  assertEquals(terminal.take(), "");
  await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1, val_loss: 3 } });
  await list.call("onTrainEnd", { logs: {} });
  assertEquals(terminal.take(), "1/1 - 0s - 0s/step - loss: 1.0000 - val_loss: 3.0000\n");
  await evaluate();
  assertEquals(terminal.take(), "1/1 - 0s - 0s/step - loss: 3.0000\n");
});

Deno.test("progbarLogger() prints an evaluation when the fit before it has failed", async () => {
  const terminal = new Terminal({ params: { verbose: 2, steps: 1 } });
  await terminal.list.call("onTrainBegin", {});
  const next = fakeRun({ params: { verbose: 2, steps: 1 } });
  next.dispose();
  const list = new CallbackList([terminal.callback], next.context);
  await list.call("onTestBegin", {});
  await list.call("onTestBatchEnd", { batch: 0, logs: new SlowLogs() });
  await list.call("onTestEnd", { logs: { loss: 3 } });
  assertEquals(terminal.take(), "1/1 - 0s - 0s/step - loss: 3.0000\n");
});

Deno.test("progbarLogger() draws a prediction without reading outputs", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: 2 } });
  const { list } = terminal;
  let reads = 0;
  const outputs = { read: () => (reads++, Promise.resolve([])) };
  await list.call("onPredictBegin", {});
  for (const batch of [0, 1]) {
    terminal.time += 100;
    await list.call("onPredictBatchEnd", { batch, outputs });
  }
  await list.call("onPredictEnd", {});
  assertEquals(
    terminal.take(),
    `\r1/2 ${FULL} 0s 100ms/step\r2/2 ${FULL} 0s 100ms/step\r2/2 ${FULL} 0s 100ms/step\n`,
  );
  assertEquals(reads, 0);
});

Deno.test("progbarLogger() prints nothing when verbose is 0, or this replica is not the chief", async () => {
  for (
    const options of [{ params: { verbose: 0, steps: 1 } }, { params: { verbose: 1, steps: 1 }, chief: false }] as const
  ) {
    const terminal = new Terminal(options);
    const { list } = terminal;
    await list.call("onTrainBegin", {});
    await list.call("onEpochBegin", { epoch: 0 });
    await list.call("onTrainBatchEnd", { batch: 0, logs: new SlowLogs() });
    await list.call("onEpochEnd", { epoch: 0, logs: { loss: 1 } });
    assertEquals(terminal.take(), "");
  }
});

Deno.test("progbarLogger() reports a reading that failed at the end of the epoch", async () => {
  const terminal = new Terminal({ params: { verbose: 1, steps: 1 } });
  const { list } = terminal;
  await list.call("onTrainBegin", {});
  await list.call("onEpochBegin", { epoch: 0 });
  const logs = new SlowLogs();
  await list.call("onTrainBatchEnd", { batch: 0, logs });
  logs.fail(new Error("the device is lost"));
  await new Promise((resolve) => setTimeout(resolve));
  await assertRejects(() => list.call("onEpochEnd", { epoch: 0, logs: {} }), Error, "the device is lost");
});

Deno.test("progbarLogger() writes to standard output by default, all of it", async () => {
  const script = `
    import { progbarLogger } from "@stride/stride/callbacks";
    const logger = progbarLogger({ verbose: 2 });
    const context = { params: { verbose: 2, epochs: 1, steps: 1 }, chief: true };
    await logger.onEpochBegin({ epoch: 0 }, context);
    logger.onTrainBatchEnd({ batch: 0, logs: {} }, context);
    const logs = Object.fromEntries(Array.from({ length: 20000 }, (_, i) => ["metric_" + i, i]));
    await logger.onEpochEnd({ epoch: 0, logs }, context);
  `;
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", script],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith("1/1 - 0s - "), text.slice(0, 80));
  assert(text.endsWith(" - metric_19999: 19999.0000\n"), text.slice(-80));
});
