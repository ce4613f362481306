import { assertEquals } from "@std/assert";
import { barLine, formatValue, type Progress, summaryLine } from "../../callbacks/progress_line.ts";

const FULL = "━".repeat(20);

function progress(given: Partial<Progress>): Progress {
  return { current: 3, target: 10, logs: {}, elapsed: 1, perStep: 0.003, done: false, ...given };
}

function plain(given: Partial<Progress>): string {
  const { head, headWidth, tail } = barLine(progress(given), { color: false });
  assertEquals(headWidth, head.length, "the head's width");
  return head + tail;
}

// Values as Python's "%.4f" and "%.4e" print them.
Deno.test("formatValue() prints as C does when values are large, small, negative or not finite", () => {
  const expected: [number, string][] = [
    [0.27777776, "0.2778"],
    [5, "5.0000"],
    [-0.5, "-0.5000"],
    [1234.56789, "1234.5679"],
    [0.001, "1.0000e-03"],
    [0.0010001, "0.0010"],
    [1.4210855e-13, "1.4211e-13"],
    [-1.1920929e-5, "-1.1921e-05"],
    [0, "0.0000e+00"],
    [NaN, "nan"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
  ];
  for (const [value, text] of expected) assertEquals(formatValue(value), text);
});

Deno.test("formatValue() rounds to even when a value is exactly between, as an accuracy over 32 samples is", () => {
  assertEquals(
    [1, 3, 5, 7, 9, 31].map((hits) => formatValue(hits / 32)),
    ["0.0312", "0.0938", "0.1562", "0.2188", "0.2812", "0.9688"],
  );
});

Deno.test("barLine() shows count, bar, time to go, time for a step and values", () => {
  assertEquals(plain({ logs: { loss: 0.5, mae: 1e-4 } }), ` 3/10 ${FULL} 0s 3ms/step - loss: 0.5000 - mae: 1.0000e-04`);
});

Deno.test("barLine() shows the time taken when it is done", () => {
  assertEquals(plain({ current: 10, elapsed: 12.4, done: true }), `10/10 ${FULL} 12s 3ms/step`);
});

Deno.test("barLine() shows the time to go as Ns, m:ss or h:mm:ss", () => {
  const time = (perStep: number): string => plain({ current: 0, target: 100, perStep }).split(" ")[4]!;
  assertEquals([0.599, 0.6, 0.65, 36, 36.055, 40].map(time), ["59s", "60s", "1:05", "60:00", "1:00:05", "1:06:40"]);
});

Deno.test("barLine() shows the time for a step in s, ms or us", () => {
  const time = (perStep: number): string => /\S+\/step/.exec(plain({ perStep, done: true }))![0];
  assertEquals([0, 1.4, 0.9994, 0.001, 0.00025].map(time), [
    "0s/step",
    "1s/step",
    "999ms/step",
    "1ms/step",
    "250us/step",
  ]);
});

Deno.test("barLine() counts without a bar when the number of steps is unknown", () => {
  assertEquals(
    plain({ current: 7, target: undefined, logs: { loss: 2 } }),
    "      7/Unknown 1s 3ms/step - loss: 2.0000",
  );
});

Deno.test("barLine() is bold, green and grey when coloured", () => {
  const { head, headWidth } = barLine(progress({}), { color: true });
  assertEquals(
    head,
    "\x1b[1m 3/10\x1b[0m \x1b[32m━━━━━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m",
  );
  assertEquals(headWidth, " 3/10 ".length + 20 + " 0s".length);
  // Nothing done yet: no green part.
  assertEquals(
    barLine(progress({ current: 0 }), { color: true }).head,
    `\x1b[1m 0/10\x1b[0m \x1b[37m${FULL}\x1b[0m \x1b[1m0s\x1b[0m`,
  );
});

Deno.test("summaryLine() is the line of the walkthrough", () => {
  assertEquals(
    summaryLine(progress({
      current: 100,
      target: 100,
      elapsed: 0.4,
      logs: { loss: 0.27777776, mean_absolute_percentage_error: 5 },
    })),
    "100/100 - 0s - 3ms/step - loss: 0.2778 - mean_absolute_percentage_error: 5.0000",
  );
});
