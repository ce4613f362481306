import { assert, assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { type Loss, Model, type Optimizer, type Plugin, Registry, tf } from "@stride/stride";
import { assertLogs, onesData, onesLayers } from "./helpers.ts";

const quartic = (): Loss => ({
  name: "quartic",
  reduction: "mean",
  values: (yTrue, yPred) => tf.mean(tf.pow(tf.sub(yPred, yTrue), 4), -1),
});

Deno.test("Registry.use() gives a new registry and leaves the old one alone", () => {
  const registry = Registry.empty.use({ name: "a", losses: { quartic } });
  assertEquals(Registry.empty.has("losses", "quartic"), false);
  assertEquals(registry.names("losses"), ["quartic"]);
  assertEquals(registry.names("metrics"), []);
});

Deno.test("Registry.create() makes a new one each time, with the options given, by any spelling", () => {
  const registry = Registry.empty.use({
    name: "a",
    losses: { mean_thing: ({ scale = 1 }: { scale?: number } = {}) => ({ ...quartic(), name: `times ${scale}` }) },
  });
  for (const name of ["mean_thing", "meanThing", "MeanThing", "mean-thing", "MEANTHING"]) {
    assertEquals(registry.create("losses", name, { scale: 2 }).name, "times 2");
  }
  assertEquals(registry.create("losses", "mean_thing").name, "times 1");
  assertNotStrictEquals(registry.create("losses", "mean_thing"), registry.create("losses", "mean_thing"));
});

Deno.test("Registry.create() lists the known names when one is unknown", () => {
  const registry = Registry.empty.use({ name: "a", losses: { quartic, quintic: quartic } });
  assertThrows(
    () => registry.create("losses", "cubic"),
    RangeError,
    'Unknown loss "cubic". Known: quartic, quintic.',
  );
  assertThrows(() => registry.create("strategies", "mpi"), RangeError, 'Unknown strategy "mpi". No strategies');
});

Deno.test("Registry.use() refuses a name that is taken, in any spelling, and names both plugins", () => {
  const registry = Registry.empty.use({ name: "first", losses: { my_loss: quartic } });
  const error = assertThrows(() => registry.use({ name: "second", losses: { MyLoss: quartic } }), RangeError);
  for (const part of ['plugin "second"', '"MyLoss" is taken', '"my_loss" of plugin "first"', "Choose another name"]) {
    assert(error.message.includes(part), error.message);
  }
  assertEquals(registry.use({ name: "second", metrics: {} }).names("losses"), ["my_loss"]);
});

Deno.test("Registry.use() refuses what is no plugin", () => {
  const use = (plugin: unknown) => (): Registry => Registry.empty.use(plugin as Plugin);
  assertThrows(use(undefined), TypeError, "found undefined");
  assertThrows(use({ losses: {} }), TypeError, "expected an object with a `name`");
  assertThrows(use({ name: "a", loses: {} }), TypeError, '"loses", which is none of optimizers, losses');
  assertThrows(use({ name: "a", losses: { quartic: quartic() } }), TypeError, "losses.quartic must be a factory");
});

Deno.test("a model of a class with a plugin's registry finds the plugin's parts by name", async () => {
  class WithPlugin extends Model {
    static override readonly registry: Registry = Model.registry.use({ name: "a", losses: { quartic } });
  }
  const model = WithPlugin.from(onesLayers(1));
  assert(model instanceof WithPlugin);
  model.compile({ loss: "quartic", metrics: ["quartic"] });
  assertLogs(await model.evaluate(onesData(2, 1), { verbose: 0 }), { loss: 256, quartic: 256 });
  assertThrows(() => Model.from(onesLayers(1)).compile({ loss: "quartic" }), RangeError, 'Unknown loss "quartic"');
});

Deno.test("unknown names are errors that say which known one was probably meant", () => {
  const factory = () => ({}) as Optimizer;
  const optimizers = { sgd: factory, rmsprop: factory, adam: factory, adamw: factory, adamax: factory };
  const registry = Registry.empty.use({ name: "some", optimizers });
  const list = "Known: sgd, rmsprop, adam, adamw, adamax.";
  for (
    const [name, meant] of [
      ["adm", "adam"],
      ["Adammax", "adamax"],
      ["rmspop", "rmsprop"],
      ["sdg", "sgd"],
      ["dgs", undefined],
      ["sgdd", "sgd"],
      ["lion", undefined],
      ["", undefined],
    ] as const
  ) {
    const said = meant === undefined ? list : `${list} Did you mean "${meant}"?`;
    const { message } = assertThrows(() => registry.create("optimizers", name), RangeError);
    assertEquals(message, `Unknown optimizer "${name}". ${said}`);
  }
});
