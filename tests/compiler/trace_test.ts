import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { hostRandomSource, type RandomKey, randomNormal, randomUniform, withRandomSource } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { formatGraph, type Graph, linkStep, tracePhase, traceStep } from "../../plugins/compiler/mod.ts";
import { MODELS, weight } from "./models.ts";
import { makeBatch, makeStep, replay, runEagerly, signature } from "./steps.ts";

await tf.setBackend("cpu");

const KEY: RandomKey = [3, 4];

/** Everything that a trace must leave alone. */
function surroundings(step: { variables: readonly { variable: tf.Variable }[] }) {
  const { numTensors, numBytes, numDataBuffers } = tf.memory();
  return {
    numTensors,
    numBytes,
    numDataBuffers,
    backend: tf.getBackend(),
    random: Math.random,
    variables: Object.keys(tf.engine().registeredVariables).length,
    dataIds: step.variables.map(({ variable }) => variable.dataId),
    values: step.variables.map(({ variable }) => [...variable.dataSync()]),
    methods: Object.keys(tf.engine()).length,
  };
}

/** Values of tensors by path, or what was there before where nothing was written. */
function values(tensors: Record<string, Tensor>): Record<string, number[]> {
  return Object.fromEntries(Object.entries(tensors).map(([path, tensor]) => [path, [...tensor.dataSync()]]));
}

for (const [name, make] of Object.entries(MODELS)) {
  Deno.test(`traceStep() leaves everything as it was when it traces ${name}`, () => {
    const { step, signature } = make();
    using _ = step;
    const before = surroundings(step);
    const first = traceStep(step, signature);
    const second = traceStep(step, signature);
    const after = surroundings(step);
    assertEquals(after, before);
    assert(after.dataIds.every((dataId, index) => dataId === before.dataIds[index]), "the same data, not equal ones");
    assertEquals(formatGraph(first.phases[0]!.compute), formatGraph(second.phases[0]!.compute));
    assertGreater(first.phases[0]!.compute.nodes.length, 10);
  });

  Deno.test(`tracePhase() records what gives the same bits when its graphs of ${name} are replayed`, () => {
    const { step, signature } = make();
    using _ = step;
    const { compute, apply } = tracePhase(step, 0, signature);
    tf.tidy(() => {
      const batch = makeBatch(signature);
      const scalars = { lr: tf.scalar(0.1) };
      const expected = runEagerly(step, batch, scalars, KEY);
      const variables = Object.fromEntries(step.variables.map(({ path, variable }) => [path, variable as Tensor]));
      const unchanged = values(variables);
      const computed = replay(compute, { variables, batch, scalars, key: KEY });
      assertEquals(computed.gradients.map((gradient) => gradient && [...gradient.dataSync()]), expected.gradients);
      assertEquals([...computed.sums!.dataSync()], expected.sums);
      assertEquals({ ...unchanged, ...values(computed.writes) }, expected.computed);
      const between = { ...variables, ...computed.writes };
      const applied = replay(apply!, { variables: between, batch, scalars, gradients: computed.gradients, key: KEY });
      assertEquals({ ...values(between), ...values(applied.writes) }, expected.applied);

      const whole = replay(linkStep(traceStep(step, signature)), { variables, batch, scalars, key: KEY });
      assertEquals({ ...unchanged, ...values(whole.writes) }, expected.applied);
    });
  });
}

Deno.test("linkStep() numbers nodes in an order in which they can run when halves are joined", () => {
  const { step, signature } = MODELS["convolution with batch normalization and pooling"]!();
  using _ = step;
  const { nodes, writes, allSums } = linkStep(traceStep(step, signature));
  nodes.forEach((node, id) => {
    assertEquals(node.id, id);
    if (node.kind === "kernel") assert(Object.values(node.inputs).every((ref) => ref.node < id));
    assert(node.kind !== "gradient");
  });
  const given = nodes.filter(({ kind }) => kind === "variable").map((node) => (node as { path: string }).path);
  assertEquals(new Set(given).size, given.length, "a variable is read once");
  assertEquals(writes.map(({ path }) => path).filter((path) => path.startsWith("state")).sort(), [
    "state_0",
    "state_1",
  ]);
  assertEquals(allSums.length, 1);
});

/** A step whose compute yields the sum of what `make` makes. */
function summing(make: (x: Tensor) => Tensor) {
  return makeStep({ kind: "test", compute: ({ x }) => ({ sums: tf.sum(make(x as Tensor)).reshape([1]) }) });
}

function randomNodes(make: (x: Tensor) => Tensor): Graph["nodes"] {
  using step = summing(make);
  return tracePhase(step, 0, signature(3, [5])).compute.nodes.filter(({ kind }) => kind === "random");
}

const DISTRIBUTIONS: readonly [string, (x: Tensor) => Tensor, string, number, number][] = [
  ["tf.randomUniform", (x) => tf.mul(x, tf.randomUniform([3, 5])), "uniform", 1, 0],
  ["a range", (x) => tf.mul(x, tf.randomUniform([5], -0.05, 0.05)), "uniform", 0.1, -0.05],
  ["tf.dropout", (x) => tf.dropout(x, 0.3), "uniform", 1, 0],
  ["tf.randomNormal", (x) => tf.mul(x, tf.randomNormal([3, 5], 2, 0.5)), "normal", 0.5, 2],
  ["tf.truncatedNormal", (x) => tf.mul(x, tf.truncatedNormal([3, 5], 0, 0.02)), "truncatedNormal", 0.02, 0],
  [
    "two values of tf.truncatedNormal",
    (x) => tf.slice(x, [0, 0], [3, 2]).mul(tf.truncatedNormal([2])),
    "truncatedNormal",
    1,
    0,
  ],
  ["a random scalar", (x) => tf.mul(x, tf.randomUniform([], 1, 3)), "uniform", 2, 1],
  ["tf.rand", (x) => tf.mul(x, tf.rand([5], () => Math.random() * 4 - 2)), "uniform", 4, -2],
  ["a scalar of Math.random", (x) => tf.mul(x, tf.scalar(Math.random())), "uniform", 1, 0],
  [
    "a noise layer",
    (x) => tf.layers.gaussianNoise({ stddev: 0.1 }).apply(x, { training: true }) as Tensor,
    "normal",
    0.1,
    0,
  ],
];

for (const [name, make, distribution, scale, offset] of DISTRIBUTIONS) {
  Deno.test(`tracePhase() recognizes the distribution when a step draws from ${name}`, () => {
    const [node, ...others] = randomNodes(make);
    assertEquals(others, []);
    assert(node?.kind === "random");
    assertEquals(node.distribution, distribution);
    assertAlmostEquals(node.scale, scale, 1e-6 * scale);
    assertAlmostEquals(node.offset, offset, 1e-6);
  });
}

Deno.test("tracePhase() tells normal from truncated normal when there are few values", () => {
  const nodes = randomNodes((x) =>
    tf.addN(
      Array.from({ length: 12 }, (_, i) =>
        tf.mul(tf.slice(x, [0, 0], [3, 2]), i % 2 ? tf.truncatedNormal([2]) : tf.randomNormal([2]))),
    )
  );
  assertEquals(
    nodes.map((node) => (node as { distribution: string }).distribution),
    Array.from({ length: 12 }, (_, i) => i % 2 ? "truncatedNormal" : "normal"),
  );
});

Deno.test("tracePhase() gives each random call a stream of its own when there are several", () => {
  const streams = randomNodes((x) =>
    tf.addN([x, x].map((each) => tf.mul(each, tf.randomNormal([3, 5])))).add(tf.dropout(x, 0.5))
  ).map((node) => (node as { stream: number }).stream);
  assertEquals(streams, [0, 1, 2]);
});

Deno.test("tracePhase() replaces the seed by a stream when tf.multinomial is called without one", () => {
  const draw = (seed?: number) => (x: Tensor) => tf.cast(tf.multinomial(x as tf.Tensor2D, 4, seed), "float32");
  const node = (seed?: number) => {
    using step = summing(draw(seed));
    return tracePhase(step, 0, signature(3, [5])).compute.nodes.find((each) =>
      each.kind === "kernel" && each.kernel === "Multinomial"
    );
  };
  const free = node();
  assert(free?.kind === "kernel");
  assertEquals([free.stream, free.attrs.seed], [0, undefined]);
  const seeded = node(9);
  assert(seeded?.kind === "kernel");
  assertEquals([seeded.stream, seeded.attrs.seed], [undefined, 9]);
});

Deno.test("tracePhase() keeps a tensor made before as a constant when a step reads it", () => {
  const matrix = tf.tensor2d([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]);
  using step = summing((x) => tf.matMul(x, matrix));
  const before = tf.memory().numTensors;
  const { nodes } = tracePhase(step, 0, signature(3, [5])).compute;
  assertEquals(tf.memory().numTensors, before);
  assertEquals(nodes.filter((node) => node.kind === "constant").map(({ values }) => [...values]), [
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  ]);
  assertEquals([...matrix.dataSync()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  matrix.dispose();
});

Deno.test("tracePhase() takes nothing from a captured tensor when a step assigns it to a state", () => {
  const initial = tf.tensor1d([1, 2]);
  const state = tf.variable(tf.tensor1d([5, 6]));
  using step = makeStep({
    kind: "test",
    states: [state],
    compute: ({ x }) => {
      state.assign(initial);
      state.assign(tf.add(state, 1));
      state.assign(initial);
      return { sums: tf.sum(x as Tensor).reshape([1]) };
    },
  });
  const before = tf.memory().numTensors;
  const { writes, nodes } = tracePhase(step, 0, signature(2, [2])).compute;
  assertEquals(tf.memory().numTensors, before);
  assertEquals([...initial.dataSync()], [1, 2]);
  assertEquals([...state.dataSync()], [5, 6]);
  assertEquals(writes.length, 1);
  assertEquals(nodes[writes[0]!.value.node]!.kind, "constant");
  initial.dispose();
});

Deno.test("tracePhase() names the user's line at each node when it is asked for places", () => {
  const kernel = weight(5, 2);
  using step = makeStep({ weights: [kernel], loss: ({ x }) => tf.mean(tf.square(tf.matMul(x as Tensor, kernel))) });
  const { nodes } = tracePhase(step, 0, signature(3, [5]), { places: true }).compute;
  const places = nodes.filter((node) => node.kind === "kernel").map(({ kernel, place }) => `${kernel} ${place}`);
  assert(places.some((place) => /^BatchMatMul trace_test.ts:\d+:\d+$/.test(place)), places.join("\n"));
  assert(
    places.every((place) => /(trace_test|steps)\.ts:\d+:\d+$/.test(place)),
    "backward kernels: where gradients are taken",
  );
});

Deno.test("linkStep() counts random streams on and passes writes on when a step has two phases", () => {
  const state = tf.variable(tf.tensor1d([1, 2]));
  using step = makeStep({ kind: "test", states: [state] });
  const compute = ({ x }: { x: unknown }) => {
    const noise = tf.mul(x as Tensor, randomUniform([2]));
    state.assign(tf.add(state, tf.sum(tf.mul(noise, randomNormal([2])), 0)));
    return { sums: tf.sum(noise).reshape([1]) };
  };
  const phases = ["first", "second"].map((name) => ({ name, variables: [], compute }));
  const batch = signature(2, [2]);
  const whole = linkStep(traceStep({ ...step, phases }, batch));
  assertEquals(whole.nodes.flatMap((node) => node.kind === "random" ? [node.stream] : []), [0, 1, 2, 3]);
  assertEquals(whole.streams, 4);
  assertEquals(whole.nodes.filter(({ kind }) => kind === "variable" || kind === "input").length, 2);
  assertEquals(whole.writes.length, 1);
  assertEquals(whole.allSums.length, 2);
  tf.tidy(() => {
    const x = makeBatch(batch);
    const variables = { state_0: state.clone() };
    const { writes } = replay(whole, { variables, batch: x, scalars: {}, key: KEY });
    withRandomSource(hostRandomSource(KEY), () => phases.forEach(() => compute(x)));
    assertEquals([...writes.state_0!.dataSync()], [...state.dataSync()]);
  });
});

Deno.test("tracePhase() traces as before when tfjs is in debug mode or profiles", async () => {
  const { step, signature } = MODELS.dense!();
  using _ = step;
  const expected = formatGraph(tracePhase(step, 0, signature).compute);
  const { flags } = tf.env() as unknown as { flags: Record<string, unknown> };
  flags.DEBUG = true;
  try {
    assertEquals(formatGraph(tracePhase(step, 0, signature).compute), expected);
    assertEquals(flags.DEBUG, true);
  } finally {
    flags.DEBUG = false;
  }
  let profiled = "";
  await tf.profile(() => {
    profiled = formatGraph(tracePhase(step, 0, signature).compute);
    return tf.scalar(0);
  });
  assertEquals(profiled, expected);
});
