/**
 * A shader's text around its body.
 *
 * @module
 */
import type { Buffer } from "../../../compiler/ir/types.ts";
import type { Emitter } from "./emitter.ts";
import type { OperandMemory } from "./memory.ts";
import type { ComputeShader } from "./shader.ts";

/** WebGPU's limit of workgroups along each dimension. */
export const MAX_WORKGROUPS = 65535;

/** The body of a shader and what it runs on. */
export interface Body {
  readonly label: string;
  readonly emitter: Emitter;
  readonly memory: OperandMemory;
  /** Invocations that have work: `thread` counts from 0 to this number, exclusive. */
  readonly invocations: number;
  readonly workgroupSize: number;
  readonly loopIterations: number;
  readonly scratch?: readonly Buffer[];
}

/** Declarations of group 1, those that are used. */
export function groupOneText({ step, table, keys }: Emitter["uses"]): string {
  const lines: string[] = [];
  if (step) {
    lines.push(
      "struct Info { step: u32, steps: u32, unused0: u32, unused1: u32 }",
      "@group(1) @binding(0) var<uniform> info: Info;",
    );
  }
  if (table) lines.push("@group(1) @binding(1) var<storage, read> table: array<f32>;");
  if (keys) lines.push("@group(1) @binding(2) var<storage, read> keys: array<vec2<u32>>;");
  return lines.join("\n");
}

/** A shader whose invocations are numbered by `thread`. */
export function assemble(body: Body): ComputeShader {
  const { invocations, workgroupSize } = body;
  const [x, y] = workgroupsOf(Math.ceil(invocations / workgroupSize));
  return shaderOf(body, [x, y], [
    `let thread = i32((group.x${y > 1 ? ` + group.y * ${x}u` : ""}) * ${workgroupSize}u + local);`,
    ...x * y * workgroupSize > invocations ? [`if (thread >= ${invocations}) { return; }`] : [],
  ]);
}

/** The body of a shader whose invocations work together in workgroups. */
export interface GroupBody extends Omit<Body, "invocations"> {
  /** Workgroups that have work: `block` counts from 0 to this number, exclusive. */
  readonly groups: number;
  /** Variables that a workgroup shares. */
  readonly declarations: readonly string[];
}

/** A shader whose workgroups are numbered by `block`, and the invocations of each by `place`. */
export function assembleGroups(body: GroupBody): ComputeShader {
  const { groups } = body;
  const [x, y] = workgroupsOf(groups);
  return shaderOf(body, [x, y], [
    `let block = i32(group.x${y > 1 ? ` + group.y * ${x}u` : ""});`,
    "let place = i32(local);",
    // All invocations of a workgroup return or none does: barriers that follow are met by all.
    ...x * y > groups ? [`if (block >= ${groups}) { return; }`] : [],
  ]);
}

/** So many workgroups or some more, within WebGPU's limits. */
function workgroupsOf(groups: number): readonly [number, number] {
  const x = Math.min(groups, MAX_WORKGROUPS);
  return [x, Math.ceil(groups / x)];
}

function shaderOf(
  { label, emitter, memory, workgroupSize, loopIterations, scratch = [], declarations = [] }:
    & Omit<Body, "invocations">
    & Partial<Pick<GroupBody, "declarations">>,
  [x, y]: readonly [number, number],
  start: readonly string[],
): ComputeShader {
  const lines = [
    ...start,
    ...emitter.uses.step ? ["let step = i32(info.step);"] : [],
    ...emitter.usesZero ? ["let zero = min(i32(group.x), 0);"] : [],
    ...emitter.lines,
  ];
  const text = [
    groupOneText(emitter.uses),
    declarations.join("\n"),
    emitter.math.text(),
    `@compute @workgroup_size(${workgroupSize})`,
    "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {",
    ...lines.map((line) => `  ${line}`),
    "}",
    "",
  ].filter((part) => part !== "").join("\n") + "\n";
  const code = (textures?: ReadonlySet<number>) =>
    [memory.text(textures), text].filter((part) => part !== "").join("\n");
  return {
    label,
    code: code(),
    operands: memory.operands,
    workgroups: [x, y, 1],
    loopIterations,
    usesStep: emitter.uses.step,
    usesTable: emitter.uses.table,
    usesKeys: emitter.uses.keys,
    scratch,
    ...memory.flexible && {
      inTextures: (places: ReadonlySet<number>) => ({ code: code(places), bindings: memory.bindings(places) }),
    },
  };
}

/** The size of a workgroup for so many invocations: enough workgroups for all cores before large ones. */
export function workgroupSizeFor(invocations: number, most: number): number {
  let size = most;
  while (size > 8 && invocations < size * 4) size /= 2;
  return size;
}
