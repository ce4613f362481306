/**
 * Stands in for `jsr:@std/cli` where JSR cannot be reached: the same code, from npm, with types.
 *
 * @module
 */
export * from "./parse_args.ts";
