/**
 * Stands in for `jsr:@std/assert` where JSR cannot be reached: the same code, from npm, with types.
 * Named under `links` in deno.json; nothing imports this path directly. See CONTRIBUTING.md.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/assert/mod.js";

// deno-lint-ignore no-explicit-any -- error classes take whatever their constructors take.
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

interface Assertions {
  assert(expression: unknown, message?: string): asserts expression;
  assertAlmostEquals(actual: number, expected: number, tolerance?: number, message?: string): void;
  assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, message?: string): void;
  assertEquals<T>(actual: T, expected: T, message?: string): void;
  assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T>;
  assertFalse(expression: unknown, message?: string): asserts expression is false;
  assertGreater<T>(actual: T, expected: T, message?: string): void;
  assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
  assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
    actual: unknown,
    expected: T,
    message?: string,
  ): asserts actual is InstanceType<T>;
  assertLess<T>(actual: T, expected: T, message?: string): void;
  assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
  assertMatch(actual: string, expected: RegExp, message?: string): void;
  assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void;
  assertRejects<E extends Error = Error>(
    run: () => PromiseLike<unknown>,
    errorClass?: ErrorClass<E>,
    includes?: string,
    message?: string,
  ): Promise<E>;
  assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T;
  assertStringIncludes(actual: string, expected: string, message?: string): void;
  assertThrows<E extends Error = Error>(
    run: () => unknown,
    errorClass?: ErrorClass<E>,
    includes?: string,
    message?: string,
  ): E;
}

const assertions: Assertions = std as unknown as Assertions;

export const assert: Assertions["assert"] = assertions.assert;
export const assertAlmostEquals: Assertions["assertAlmostEquals"] = assertions.assertAlmostEquals;
export const assertArrayIncludes: Assertions["assertArrayIncludes"] = assertions.assertArrayIncludes;
export const assertEquals: Assertions["assertEquals"] = assertions.assertEquals;
export const assertExists: Assertions["assertExists"] = assertions.assertExists;
export const assertFalse: Assertions["assertFalse"] = assertions.assertFalse;
export const assertGreater: Assertions["assertGreater"] = assertions.assertGreater;
export const assertGreaterOrEqual: Assertions["assertGreaterOrEqual"] = assertions.assertGreaterOrEqual;
export const assertInstanceOf: Assertions["assertInstanceOf"] = assertions.assertInstanceOf;
export const assertLess: Assertions["assertLess"] = assertions.assertLess;
export const assertLessOrEqual: Assertions["assertLessOrEqual"] = assertions.assertLessOrEqual;
export const assertMatch: Assertions["assertMatch"] = assertions.assertMatch;
export const assertNotEquals: Assertions["assertNotEquals"] = assertions.assertNotEquals;
export const assertNotStrictEquals: Assertions["assertNotStrictEquals"] = assertions.assertNotStrictEquals;
export const assertRejects: Assertions["assertRejects"] = assertions.assertRejects;
export const assertStrictEquals: Assertions["assertStrictEquals"] = assertions.assertStrictEquals;
export const assertStringIncludes: Assertions["assertStringIncludes"] = assertions.assertStringIncludes;
export const assertThrows: Assertions["assertThrows"] = assertions.assertThrows;
