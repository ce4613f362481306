/**
 * Kernels and plans as text, for people and for tests of passes.
 *
 * @module
 */
import { formatExpression, type FormatNames } from "./format_expressions.ts";
import type { Plan } from "./plan.ts";
import { expressionsOf, parts, walk } from "./shape.ts";
import type { Axis, Buffer, Expression, Kernel, Store } from "./types.ts";

/** A buffer's name by its role: a variable's path, `x0` for the first input, `s12` for scratch memory, `sums`. */
export function nameBuffer({ id, role }: Buffer): string {
  switch (role.kind) {
    case "variable":
      return role.path;
    case "state":
      return `state${id}`;
    case "scratch":
      return `s${id}`;
    case "constant":
      return `c${id}`;
    case "input":
      return `${role.group}${role.index}`;
    case "rows":
    case "sums":
      return role.kind;
    case "output":
    case "gradient":
      return `${role.kind}${role.index}`;
    default:
      return role satisfies never;
  }
}

/**
 * A kernel as text: its loops with their sizes, then a line for each reduction, shared part and store.
 *
 * Loop variables are called i, j, k … in the order of the kernel's axes, results r0, r1 … by their numbers, and parts
 * that occur several times t0, t1 …. `//` and `%` are floorDiv and floorMod.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Expressions } from "./expressions.ts";
 * import { formatKernel } from "./format.ts";
 *
 * const e = new Expressions();
 * const x = e.buffer("f32", 3, { kind: "input", group: "x", index: 0 });
 * const axis = { id: 100, size: 3 };
 * const index = e.axisExpression(axis);
 * const kernel = {
 *   kind: "nest",
 *   outer: [axis],
 *   inner: [],
 *   reductions: [],
 *   stores: [{ buffer: e.buffer("f32", 3, { kind: "scratch" }), index, value: e.mul(e.load(x, index), 0.1) }],
 * } as const;
 * assertEquals(formatKernel(kernel), "nest outer i < 3\n  s1[i] = x0[i] * 0.1");
 * ```
 *
 * @param names A buffer's name. By default `nameBuffer`.
 */
export function formatKernel(kernel: Kernel, names: (buffer: Buffer) => string = nameBuffer): string {
  const groups = axisGroups(kernel);
  const axes = groups.flatMap(([, group]) => group);
  const header = groups
    .filter(([, group]) => group.length > 0)
    .map(([name, group]) =>
      `${name} ${group.map((axis) => `${letter(axes.indexOf(axis))} < ${axis.size}`).join(", ")}`
    );
  const writer = new KernelWriter(kernel, axes, names);
  return [[kernel.kind, ...header].join(" "), ...writer.lines()].join("\n");
}

/** A plan as text: its buffers, then its kernels, a block each. */
export function formatPlan(plan: Plan): string {
  const shown = new Set<Buffer>();
  const buffer = (label: string, each: Buffer) => {
    if (shown.has(each)) return [];
    shown.add(each);
    const within = each.within === undefined ? "" : ` = ${nameBuffer(each.within.buffer)} from ${each.within.offset}`;
    return [`${label} ${nameBuffer(each)}: ${each.type}[${each.size}]${within}`];
  };
  const gradients = plan.gradients?.filter((each) => each !== null) ?? [];
  return [
    [
      ...[...plan.variables.values()].flatMap((each) => buffer("variable", each)),
      ...plan.inputs.flatMap((each) => buffer("input", each)),
      ...(plan.rows ? buffer("rows", plan.rows) : []),
      ...plan.constants.flatMap((each) => buffer("constant", each)),
      ...plan.scratch.flatMap((each) => buffer("scratch", each)),
      ...gradients.flatMap((each) => buffer("gradient", each)),
      ...(plan.sums ? buffer("sums", plan.sums) : []),
      ...plan.outputs.flatMap((each) => buffer("output", each)),
      ...(plan.columns.length > 0 ? [`columns ${plan.columns.join(", ")}`] : []),
      ...(plan.streams > 0 ? [`streams ${plan.streams}`] : []),
    ].join("\n"),
    ...plan.kernels.map((kernel, at) => `#${at} ${formatKernel(kernel)}`),
  ].join("\n\n");
}

/** A kernel's loops, by what they are for, outermost first. */
export function axisGroups(kernel: Kernel): readonly (readonly [string, readonly Axis[]])[] {
  switch (kernel.kind) {
    case "nest":
    case "scatter":
      return [["outer", kernel.outer], ["inner", kernel.inner]];
    case "contraction":
      return [
        ["batch", kernel.batch],
        ["rows", kernel.rows],
        ["columns", kernel.columns],
        ["inner", kernel.inner],
      ];
    case "scan":
      return [["outer", kernel.outer], ["along", [kernel.along]]];
    default:
      return kernel satisfies never;
  }
}

const LETTERS = "ijklmnpqabcdefgh";

function letter(place: number): string {
  const round = Math.floor(place / LETTERS.length);
  return `${LETTERS[place % LETTERS.length]}${round || ""}`;
}

/** Text that is no longer than this is repeated rather than named. */
const SHORT = 16;

class KernelWriter {
  readonly #kernel: Kernel;
  readonly #names: FormatNames;
  readonly #shared = new Set<Expression>();
  readonly #named = new Map<Expression, string>();
  readonly #lines: string[] = [];

  constructor(kernel: Kernel, axes: readonly Axis[], buffer: (buffer: Buffer) => string) {
    this.#kernel = kernel;
    this.#names = {
      buffer,
      axis: ({ id }) => letter(axes.findIndex((axis) => axis.id === id)),
      part: (x) => this.#named.get(x),
    };
    const uses = new Map<Expression, number>();
    const use = (x: Expression) => uses.set(x, (uses.get(x) ?? 0) + 1);
    const roots = expressionsOf(kernel);
    roots.forEach(use);
    walk(roots, (x) => parts(x).forEach(use));
    for (const [x, count] of uses) if (count > 1) this.#shared.add(x);
  }

  lines(): readonly string[] {
    const kernel = this.#kernel;
    switch (kernel.kind) {
      case "nest":
        for (const { result, combine, value } of kernel.reductions) this.#line(`r${result} = ${combine}`, value);
        this.#stores(kernel.stores);
        break;
      case "contraction": {
        const left = this.#write(kernel.left);
        const right = this.#write(kernel.right);
        this.#lines.push(`r${kernel.result} = sum ${enclosed(kernel.left, left)} * ${enclosed(kernel.right, right)}`);
        this.#stores(kernel.stores);
        break;
      }
      case "scan": {
        const how = [kernel.exclusive ? "exclusive " : "", kernel.reverse ? "reverse " : ""].join("");
        this.#line(`r${kernel.result} = running ${how}${kernel.combine}`, kernel.value);
        this.#stores(kernel.stores);
        break;
      }
      case "scatter": {
        const place = `${this.#names.buffer(kernel.target)}[${this.#write(kernel.index)}]`;
        this.#line(
          `${place} ${({ set: "=", sum: "+=", max: "max=", min: "min=" } as const)[kernel.combine]}`,
          kernel.value,
        );
        break;
      }
      default:
        kernel satisfies never;
    }
    return this.#lines.map((line) => `  ${line}`);
  }

  #stores(stores: readonly Store[]): void {
    for (const { buffer, index, value } of stores) {
      this.#line(`${this.#names.buffer(buffer)}[${this.#write(index)}] =`, value);
    }
  }

  #line(before: string, value: Expression): void {
    this.#lines.push(`${before} ${this.#write(value)}`);
  }

  /** An expression's text, after lines for the parts of it that are used elsewhere too and are long. */
  #write(x: Expression): string {
    walk([x], (part) => {
      if (!this.#shared.has(part) || this.#named.has(part)) return;
      const text = formatExpression(part, this.#names);
      if (text.length <= SHORT) return;
      const name = `t${this.#named.size}`;
      this.#lines.push(`${name} = ${text}`);
      this.#named.set(part, name);
    });
    return this.#named.get(x) ?? formatExpression(x, this.#names);
  }
}

function enclosed(x: Expression, text: string): string {
  return x.kind === "select" && text.includes(" ? ") ? `(${text})` : text;
}
