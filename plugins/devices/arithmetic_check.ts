/**
 * Does a device compute what the host does? One small shader, run when it is opened.
 *
 * @module
 */
import { assertSame } from "./self_test.ts";

const [ROWS, TERMS, COLUMNS] = [7, 9, 11];
const PRODUCTS = ROWS * COLUMNS;
const ARGUMENTS = 37;
const WORKGROUP = 64;

/** The factors of a product of matrices, then arguments of functions. */
const INPUT = Float32Array.from(
  { length: (ROWS + COLUMNS) * TERMS + ARGUMENTS },
  (_, i) => 3 * Math.sin(i * 12.9898),
);
const [RIGHT, FIRST] = [ROWS * TERMS, (ROWS + COLUMNS) * TERMS];

const FUNCTIONS: readonly (readonly [text: string, compute: (x: number) => number])[] = [
  ["exp(x)", Math.exp],
  ["log(abs(x) + 0.5)", (x) => Math.log(Math.abs(x) + 0.5)],
  ["sqrt(abs(x))", (x) => Math.sqrt(Math.abs(x))],
  ["tanh(x)", Math.tanh],
  ["x / (abs(x) + 0.5)", (x) => x / (Math.abs(x) + 0.5)],
];

const CODE = `
@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
var<workgroup> shares: array<f32, ${WORKGROUP}>;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = id.x;
  var sum = 0.0;
  for (var k = 0u; k < ${TERMS}u; k++) {
    sum += input[i / ${COLUMNS}u * ${TERMS}u + k] * input[${RIGHT}u + k * ${COLUMNS}u + i % ${COLUMNS}u];
  }
  if (i < ${PRODUCTS}u) { output[i] = sum; }
  let x = input[${FIRST}u + i % ${ARGUMENTS}u];
  shares[local] = x;
  workgroupBarrier();
  let neighbour = shares[${WORKGROUP - 1}u - local];
  if (i < ${ARGUMENTS}u) {
${FUNCTIONS.map(([text], f) => `    output[${PRODUCTS + f * ARGUMENTS}u + i] = ${text};`).join("\n")}
    output[${PRODUCTS + FUNCTIONS.length * ARGUMENTS}u + i] = neighbour;
  }
}`;

/** What is computed, in the order of the output. */
function expected(): readonly (readonly [name: string, values: Float32Array])[] {
  const argument = (i: number): number => INPUT[FIRST + i % ARGUMENTS]!;
  const product = (i: number): number => {
    let sum = 0;
    for (let k = 0; k < TERMS; k++) {
      sum += INPUT[Math.floor(i / COLUMNS) * TERMS + k]! * INPUT[RIGHT + k * COLUMNS + i % COLUMNS]!;
    }
    return sum;
  };
  const values = (length: number, value: (i: number) => number): Float32Array =>
    Float32Array.from({ length }, (_, i) => value(i));
  return [
    ["matrix product", values(PRODUCTS, product)],
    ...FUNCTIONS.map(([text, compute]) => [text, values(ARGUMENTS, (i) => compute(argument(i)))] as const),
    ["exchange within a workgroup", values(ARGUMENTS, (i) => argument(WORKGROUP - 1 - i))],
  ];
}

/**
 * Compares a matrix product, elementwise functions and an exchange within a workgroup with the host's.
 *
 * @param what The device, for the message.
 * @throws {DeviceError} If one differs.
 */
export async function checkArithmetic(device: GPUDevice, what: string): Promise<void> {
  const parts = expected();
  const bytes = 4 * parts.reduce((sum, [, { length }]) => sum + length, 0);
  const { STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const input = device.createBuffer({ size: INPUT.byteLength, usage: STORAGE | COPY_DST });
  const output = device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC });
  const read = device.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
  try {
    device.queue.writeBuffer(input, 0, INPUT);
    const module = device.createShaderModule({ label: "check of arithmetic", code: CODE });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
    const entries = [input, output].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(Math.ceil(PRODUCTS / WORKGROUP));
    pass.end();
    encoder.copyBufferToBuffer(output, 0, read, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    const found = new Float32Array(read.getMappedRange());
    let start = 0;
    for (const [name, values] of parts) {
      assertSame({ name, found: found.subarray(start, start + values.length), expected: values, what });
      start += values.length;
    }
  } finally {
    for (const buffer of [input, output, read]) buffer.destroy();
  }
}
