/**
 * What a progress bar shows: the text of one line, and nothing about when or where it is written.
 *
 * Source: Keras, `utils/progbar.py`.
 *
 * @module
 */
import type { Logs } from "../core/step.ts";

/** How far an epoch, an evaluation or a prediction is. */
export interface Progress {
  /** Steps done. */
  readonly current: number;
  /** Steps to do; `undefined` where only reading the data tells. */
  readonly target: number | undefined;
  /** Values to show, in order. */
  readonly logs: Logs;
  /** Since the beginning, in seconds. */
  readonly elapsed: number;
  /** For one step, in seconds. */
  readonly perStep: number;
  /** Whether this is the last line: it shows the time taken, not the time to go. */
  readonly done: boolean;
}

/** A line in two parts, because only the second may be cut to fit a terminal. */
export interface BarLine {
  /** Count, bar and time, with terminal sequences where the line is coloured. */
  readonly head: string;
  /** How many columns the head takes. */
  readonly headWidth: number;
  /** Time for a step and values: plain text. */
  readonly tail: string;
}

const BAR_WIDTH = 20;

/** The line of a progress bar: `3/10 ━━━━━━━━━━━━━━━━━━━━ 4s 600ms/step - loss: 0.5000`. */
export function barLine(progress: Progress, { color }: { readonly color: boolean }): BarLine {
  const { current, target, elapsed, perStep, done } = progress;
  const style = (code: number, text: string): string => color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const time = target && !done ? formatDuration(perStep * (target - current)) : `${fixed(elapsed, 0)}s`;
  const tail = formatStepTime(perStep) + formatLogs(progress.logs);
  if (!target) {
    const count = `${String(current).padStart(7)}/Unknown`;
    return { head: `${count} ${style(1, time)}`, headWidth: count.length + 1 + time.length, tail };
  }
  const count = formatCount(current, target);
  const filled = Math.min(BAR_WIDTH, Math.trunc(BAR_WIDTH * (current / target)));
  const bar = (filled > 0 ? style(32, "━".repeat(filled)) : "") + style(37, "━".repeat(BAR_WIDTH - filled));
  return {
    head: `${style(1, count)} ${bar} ${style(1, time)}`,
    headWidth: count.length + 1 + BAR_WIDTH + 1 + time.length,
    tail,
  };
}

/** One line for an epoch: `100/100 - 0s - 3ms/step - loss: 0.2778`. */
export function summaryLine({ current, target, elapsed, perStep, logs }: Progress): string {
  return `${formatCount(current, target ?? current)} - ${fixed(elapsed, 0)}s -${formatStepTime(perStep)}${
    formatLogs(logs)
  }`;
}

function formatCount(current: number, target: number): string {
  return `${String(current).padStart(String(target).length)}/${target}`;
}

function formatLogs(logs: Logs): string {
  return Object.entries(logs).map(([name, value]) => ` - ${name}: ${formatValue(value)}`).join("");
}

/** A value as C's printf gives it: `%.4f` above 1e-3, else `%.4e`. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Math.abs(value) > 1e-3) return fixed(value, 4);
  return value.toExponential(4).replace(/e([+-])(\d)$/, "e$10$2");
}

/** A time to go: `59s`, `1:05`, `1:00:05`. */
function formatDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (seconds > 3600) return `${Math.trunc(whole / 3600)}:${two(Math.trunc(whole / 60) % 60)}:${two(whole % 60)}`;
  return seconds > 60 ? `${Math.trunc(whole / 60)}:${two(whole % 60)}` : `${whole}s`;
}

function formatStepTime(seconds: number): string {
  if (seconds >= 1 || seconds === 0) return ` ${fixed(seconds, 0)}s/step`;
  return seconds >= 1e-3 ? ` ${fixed(seconds * 1e3, 0)}ms/step` : ` ${fixed(seconds * 1e6, 0)}us/step`;
}

/**
 * As C's `%.*f`, which rounds exact halves to even where `toFixed` rounds them up. They are common: the accuracy of 32
 * samples is one half of the time.
 */
function fixed(value: number, digits: number): string {
  // No double of a size that is shown has its last binary digit as far down as this.
  const extra = 25;
  const exact = value.toFixed(digits + extra);
  const truncated = exact.slice(0, -extra).replace(/\.$/, "");
  const isHalf = exact.endsWith(`5${"0".repeat(extra - 1)}`);
  return isHalf && Number(truncated.at(-1)) % 2 === 0 ? truncated : value.toFixed(digits);
}
