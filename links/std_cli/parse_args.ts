/**
 * Stands in for `jsr:@std/cli/parse-args` where JSR cannot be reached.
 * Named under `links` in deno.json; nothing imports this path directly. See CONTRIBUTING.md.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/cli/parse_args.js";

/** The options of `parseArgs` that this project uses. */
export interface ParseOptions {
  readonly string?: readonly string[];
  readonly boolean?: readonly string[];
  readonly collect?: readonly string[];
  readonly alias?: Readonly<Record<string, string>>;
  readonly default?: Readonly<Record<string, unknown>>;
  readonly unknown?: (argument: string, key?: string, value?: unknown) => unknown;
  readonly stopEarly?: boolean;
}

/** What `parseArgs` found: named options, and the rest under `_`. */
// deno-lint-ignore no-explicit-any -- the original's fallback type.
export type Args = Record<string, any> & { _: (string | number)[] };

/** Parses command line arguments. */
export const parseArgs: (args: readonly string[], options?: ParseOptions) => Args = std.parseArgs as unknown as (
  args: readonly string[],
  options?: ParseOptions,
) => Args;
