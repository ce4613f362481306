/**
 * Measuring which of several ways to compute the same bits is the fastest on this device.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import { bytesOf } from "../../compiler/ir/buffers.ts";
import { measureKernels } from "../../compiler/ir/measure.ts";
import type { Kernel } from "../../compiler/ir/types.ts";
import { canTime, timeShaders } from "./kernel_timer.ts";
import type { Runtime } from "./runtime.ts";
import { type Alternative, kernelAlternatives, type PrintContext } from "./wgsl/mod.ts";

/** Options of measuring kernels. */
export interface TunerOptions {
  /**
   * A file that keeps what was found for the next process, as JSON; it may not exist yet. Reading and writing it needs
   * permission.
   *
   * @default it is kept in memory, as long as the process lives
   */
  readonly cache?: string;
  /** After so many ms of compiling and measuring for one program, kernels that are left get what their sizes speak for. @default 1000 */
  readonly budget?: number;
  /** Measures on software adapters too, where it takes long and shows little. @default false */
  readonly force?: boolean;
}

/** Kernels of fewer operations are not worth measuring: they take some ten microseconds. */
const LEAST_FLOPS = 2 ** 26;
/** How many ways are measured. */
const MOST_WAYS = 6;
/** Memory that a measurement may take, in bytes. */
const MOST_BYTES = 2 ** 29;
/** What is not faster by more than this is not taken. */
const GAIN = 0.97;
const ROUNDS = 3;
const DISPATCHES = 3;

/** Chooses for one program. */
export class Tuner {
  readonly #runtime: Runtime;
  readonly #options: TunerOptions;
  #loaded = false;

  constructor(runtime: Runtime, options: TunerOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /**
   * Finds out how kernels are best printed: `PrintContext.choices`. The caller has the pacer's turn.
   *
   * @throws {Error} If there is a file of earlier choices that cannot be read or written, or is none.
   */
  async choose(kernels: readonly Kernel[], context: PrintContext): Promise<ReadonlyMap<string, string>> {
    const { budget = 1000, force = false } = this.#options;
    const chosen = new Map<string, string>();
    if (!canTime(this.#runtime) || this.#runtime.software && !force) return chosen;
    await this.#load();
    const { choices } = this.#runtime;
    const end = performance.now() + budget;
    const candidates = kernels
      .map((kernel) => ({ kernel, flops: measureKernels([kernel]).flops }))
      .filter(({ flops }) => flops >= LEAST_FLOPS)
      .sort((a, b) => b.flops - a.flops);
    let found = false;
    for (const { kernel } of candidates) {
      const ways = kernelAlternatives(kernel, context, MOST_WAYS);
      if (ways.length < 2 || memoryOf(ways) > MOST_BYTES) continue;
      const { code } = ways[0]!.shader;
      if (chosen.has(code)) continue;
      const key = await this.#keyOf(code);
      if (!choices.has(key)) {
        if (performance.now() >= end) continue;
        choices.set(key, await this.#fastest(ways, context));
        found = true;
      }
      chosen.set(code, choices.get(key)!);
    }
    if (found) await this.#save();
    return chosen;
  }

  async #fastest(ways: readonly Alternative[], { columns, streams }: PrintContext): Promise<string> {
    const options = { rounds: ROUNDS, dispatches: DISPATCHES, columns: columns.length, streams };
    try {
      const times = await timeShaders(this.#runtime, ways.map(({ shader }) => shader), options);
      const best = times.indexOf(Math.min(...times));
      return ways[times[best]! < GAIN * times[0]! ? best : 0]!.name;
    } catch (error) {
      // Training may still fit: a measurement has memory of its own.
      if (error instanceof DeviceError) return ways[0]!.name;
      throw error;
    }
  }

  /** What was measured, and on what. */
  async #keyOf(code: string): Promise<string> {
    const { vendor, architecture, description } = this.#runtime.device.adapterInfo;
    const text = new TextEncoder().encode([vendor, architecture, description, code].join("\n"));
    return new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex();
  }

  async #load(): Promise<void> {
    const { cache } = this.#options;
    if (cache === undefined || this.#loaded) return;
    this.#loaded = true;
    let text: string;
    try {
      text = await Deno.readTextFile(cache);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    for (const [key, name] of Object.entries(parseChoices(text, cache))) this.#runtime.choices.set(key, name);
  }

  async #save(): Promise<void> {
    const { cache } = this.#options;
    if (cache === undefined) return;
    // Whoever reads meanwhile finds a whole file.
    const next = `${cache}.${crypto.randomUUID()}`;
    await Deno.writeTextFile(next, JSON.stringify(Object.fromEntries(this.#runtime.choices), null, 2));
    await Deno.rename(next, cache);
  }
}

function parseChoices(text: string, path: string): Readonly<Record<string, string>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // As if it were another kind of file.
  }
  const isTable = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) &&
    Object.values(parsed).every((name) => typeof name === "string");
  if (!isTable) {
    throw new TypeError(
      `Cannot read measured kernels from "${path}": expected a JSON object of names, as \`webgpu({ tuner: { cache } })\` ` +
        "writes it. Delete the file, or name another one.",
    );
  }
  return parsed as Readonly<Record<string, string>>;
}

function memoryOf(ways: readonly Alternative[]): number {
  const buffers = new Set(ways.flatMap(({ shader }) => shader.operands.map(({ buffer }) => buffer)));
  return [...buffers].reduce((bytes, buffer) => bytes + bytesOf(buffer), 0);
}
